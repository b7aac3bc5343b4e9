// The app: three stacks for one profile, wired in the order of their life times.
import { type App, CliCredentialsStackSynthesizer, type StackProps } from 'aws-cdk-lib';
import { refuseDeployment } from './deployment-guard';
import { stackName } from './names';
import { type Options, readOptions } from './options';
import { DataStack } from './stacks/data-stack';
import { EdgeStack } from './stacks/edge-stack';
import { PipelineStack } from './stacks/pipeline-stack';

export interface Stacks {
  readonly data: DataStack;
  readonly pipeline: PipelineStack;
  readonly edge: EdgeStack;
}

/** Adds the stacks of the profile that the app's context names. */
export function fluxnex(app: App): Stacks {
  const options = readOptions(app.node);
  const { name } = options.profile;
  const data = new DataStack(app, stackName(name, 'Data'), options, stackProps(options, 'what must not be lost'));
  const pipeline = new PipelineStack(
    app,
    stackName(name, 'Pipeline'),
    options,
    data,
    stackProps(options, 'queues and functions'),
  );
  const edge = new EdgeStack(app, stackName(name, 'Edge'), options, pipeline, stackProps(options, 'the HTTP API'));
  if (options.artifacts === undefined) {
    // Each of them, so that no deployment gets half-way.
    refuseDeployment([data, pipeline, edge], {
      parameter: 'FunctionsAreNotBuilt',
      reason: 'the functions are placeholders; build them and pass -c artifacts=<folder>',
    });
  }
  return { data, pipeline, edge };
}

function stackProps(options: Options, what: string): StackProps {
  const { name, protects } = options.profile;
  return {
    description: `FluxNex ${name}: ${what}`,
    terminationProtection: protects,
    tags: { application: 'fluxnex', profile: name },
    // The emulator refuses the bootstrap's publishing roles, and needs no bootstrap but one bucket.
    synthesizer:
      name === 'local' ? new CliCredentialsStackSynthesizer({ fileAssetsBucketName: LOCAL_ASSETS }) : undefined,
  };
}

/** Bucket of the local platform that built functions are uploaded to; made before the deploy. */
export const LOCAL_ASSETS = 'fluxnex-local-assets';
