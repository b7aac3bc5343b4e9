// Synthesises the app for tests, and reads what came out.
import { App } from 'aws-cdk-lib';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FEATURE_FLAGS } from '../lib/feature-flags';
import { fluxnex } from '../lib/fluxnex';
import { PROJECT } from '../lib/paths';
import type { ProfileName } from '../lib/profiles';

export const FIXTURES = join(PROJECT, 'test', 'fixtures');
export const TARGETS = ['quickbooks-online', 'webhook'];
export const AWS_PROFILES = ['dev', 'staging', 'production'] as const;

export interface Resource {
  readonly Type: string;
  readonly Properties: Record<string, any>;
  readonly DependsOn?: readonly string[];
  readonly DeletionPolicy?: string;
  readonly UpdateReplacePolicy?: string;
}

export interface Template {
  readonly Resources: Readonly<Record<string, Resource>>;
  readonly Parameters?: Readonly<Record<string, { readonly Default?: unknown }>>;
  readonly Outputs?: Readonly<Record<string, { readonly Value: unknown; readonly Export?: { readonly Name: string } }>>;
}

// Annotations say that placeholders are not deployable, which tests know.
const QUIET = { '@aws-cdk/core:annotationsInValidationReport': false };
const OUTPUT = mkdtempSync(join(tmpdir(), 'fluxnex-infra-'));
process.on('exit', () => rmSync(OUTPUT, { recursive: true, force: true }));

const made = new Map<string, Deployment>();

/** The three stacks of that profile; made once for the same options. */
export function deployment(profile: ProfileName, options: Readonly<Record<string, string>> = {}): Deployment {
  const key = JSON.stringify([profile, options]);
  const known = made.get(key);
  if (known !== undefined) return known;
  const context = { ...FEATURE_FLAGS, ...QUIET, profile, connectors: join(FIXTURES, 'connectors'), ...options };
  const app = new App({ context, analyticsReporting: false, outdir: join(OUTPUT, String(made.size)) });
  const stacks = fluxnex(app);
  const assembly = app.synth();
  const template = (name: string): Template => assembly.getStackByName(name).template as Template;
  const fresh = new Deployment(
    template(stacks.data.stackName),
    template(stacks.pipeline.stackName),
    template(stacks.edge.stackName),
    assembly.directory,
  );
  made.set(key, fresh);
  return fresh;
}

export class Deployment {
  constructor(
    readonly data: Template,
    readonly pipeline: Template,
    readonly edge: Template,
    /** Where the assembly was written to. */
    readonly directory: string,
  ) {}

  get templates(): readonly Template[] {
    return [this.data, this.pipeline, this.edge];
  }

  /** Resources of that type in all stacks, by logical id. */
  all(type: string): Map<string, Resource> {
    const resources = this.templates.flatMap((template) => Object.entries(template.Resources));
    return new Map(resources.filter(([, resource]) => resource.Type === type));
  }

  /** The functions, by their name without prefix. */
  functions(): Map<string, Resource> {
    return new Map(
      [...this.all('AWS::Lambda::Function').values()].map((resource) => [
        String(resource.Properties['FunctionName']).split('-').slice(2).join('-'),
        resource,
      ]),
    );
  }

  /** The queues, by their name without prefix. */
  queues(): Map<string, Resource> {
    return new Map(
      [...this.all('AWS::SQS::Queue').values()].map((resource) => [
        String(resource.Properties['QueueName']).split('-').slice(2).join('-'),
        resource,
      ]),
    );
  }

  /** Queue to function, without prefixes, with the mapping between them. */
  eventSources(): { readonly queue: string; readonly function: string; readonly mapping: Resource }[] {
    const short = (value: unknown): string => this.say(value).replace(/\.Arn$/, '').split('-').slice(2).join('-');
    return [...this.all('AWS::Lambda::EventSourceMapping').values()].map((mapping) => ({
      queue: short(mapping.Properties['EventSourceArn']),
      function: short(mapping.Properties['FunctionName']),
      mapping,
    }));
  }

  /** A value of a template for people: references as the physical names that they stand for. */
  say(value: unknown): string {
    if (typeof value === 'string') return value;
    const [[intrinsic, of]] = Object.entries(value as Record<string, any>) as [[string, any]];
    switch (intrinsic) {
      case 'Ref':
        return of.startsWith('AWS::') ? `\${${of}}` : this.named(of);
      case 'Fn::GetAtt':
        return `${this.named(of[0])}.${of[1]}`;
      case 'Fn::Join':
        return (of[1] as unknown[]).map((part) => this.say(part)).join(of[0]);
      case 'Fn::Select':
        return `${this.say(of[1])}[${of[0]}]`;
      case 'Fn::Split':
        return `${this.say(of[1])} split at ${of[0]}`;
      case 'Fn::ImportValue':
        return this.exported(of);
      default:
        throw new Error(`No words for ${JSON.stringify(value)}`);
    }
  }

  private named(id: string): string {
    const resource = this.templates.map((template) => template.Resources[id]).find((found) => found !== undefined);
    const properties = resource?.Properties ?? {};
    const names = ['QueueName', 'FunctionName', 'TableName', 'LogGroupName', 'DBProxyName', 'StateMachineName'];
    const name = names.find((key) => key in properties);
    // Without a name of its own: the logical id, less its hash.
    return name === undefined ? `<${id.replace(/[0-9A-F]{8}$/, '')}>` : properties[name];
  }

  private exported(name: string): string {
    const outputs = this.templates.flatMap((template) => Object.values(template.Outputs ?? {}));
    const output = outputs.find((candidate) => candidate.Export?.Name === name);
    if (output === undefined) throw new Error(`No stack exports ${name}`);
    return this.say(output.Value);
  }
}

/** A JSON file of the repository. */
export function readJson(...path: string[]): any {
  return JSON.parse(readFileSync(join(PROJECT, ...path), 'utf8'));
}
