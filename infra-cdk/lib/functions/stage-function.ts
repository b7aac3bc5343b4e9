// One stage of the pipeline: a function with its role, log group and event sources.
import { Duration, RemovalPolicy, aws_iam as iam, aws_lambda as lambda, aws_logs as logs } from 'aws-cdk-lib';
import { Construct } from 'constructs';
import { functionName, pascalCase } from '../names';
import type { Options } from '../options';
import type { FunctionName } from './catalogue';
import { codeOf } from './code';
import { checkSettings } from './settings';
import type { Source, Use } from './use';

export interface StageFunctionProps {
  readonly options: Options;
  readonly name: FunctionName;
  readonly uses: readonly Use[];
}

export class StageFunction extends Construct {
  readonly function: lambda.Function;
  /** Changes with the function's code. */
  readonly codeFingerprint: string;

  constructor(scope: Construct, props: StageFunctionProps) {
    super(scope, pascalCase(props.name));
    const { options, name, uses } = props;
    const { functions, protects } = options.profile;

    const environment = environmentOf(options, uses);
    checkSettings(name, environment);

    const logGroup = new logs.LogGroup(this, 'Logs', {
      logGroupName: `/aws/lambda/${functionName(options.profile.name, name)}`,
      retention: functions.logRetention,
      removalPolicy: protects ? RemovalPolicy.RETAIN : RemovalPolicy.DESTROY,
    });
    const placement = uses.find((use) => use.placement !== undefined)?.placement;
    const { code, fingerprint } = codeOf(name, options.artifacts);
    this.codeFingerprint = fingerprint;
    this.function = new lambda.Function(this, 'Function', {
      functionName: functionName(options.profile.name, name),
      runtime: lambda.Runtime.PROVIDED_AL2023,
      handler: 'bootstrap',
      code,
      architecture: functions.architecture === 'arm64' ? lambda.Architecture.ARM_64 : lambda.Architecture.X86_64,
      memorySize: functions.memoryMebibytes,
      timeout: Duration.seconds(functions.timeoutSeconds[name]),
      environment,
      role: this.role(uses, logGroup),
      logGroup,
      loggingFormat: lambda.LoggingFormat.JSON,
      layers: uses.flatMap((use) => use.layers ?? []),
      vpc: placement?.vpc,
      vpcSubnets: placement?.subnets,
      securityGroups: placement && [placement.securityGroup],
    });
    for (const source of uses.flatMap((use) => use.sources ?? [])) this.invokedBy(source);
  }

  private role(uses: readonly Use[], logGroup: logs.ILogGroup): iam.Role {
    const writesLogs = new iam.PolicyStatement({
      actions: ['logs:CreateLogStream', 'logs:PutLogEvents'],
      // The ARN of a log group ends in `:*`, its streams.
      resources: [logGroup.logGroupArn],
    });
    const inNetwork = uses.some((use) => use.placement !== undefined);
    return new iam.Role(this, 'Role', {
      assumedBy: new iam.ServicePrincipal('lambda.amazonaws.com'),
      // Inline, so that the role is complete before the function or an event source first uses it.
      inlinePolicies: {
        uses: new iam.PolicyDocument({
          statements: [writesLogs, ...uses.flatMap((use) => use.statements ?? [])],
        }),
      },
      // Network interfaces cannot be named before they exist; AWS keeps this policy as narrow as Lambda allows.
      managedPolicies: inNetwork
        ? [iam.ManagedPolicy.fromAwsManagedPolicyName('service-role/AWSLambdaENIManagementAccess')]
        : [],
    });
  }

  private invokedBy(source: Source): void {
    new lambda.EventSourceMapping(this, `From${source.id}`, {
      target: this.function,
      eventSourceArn: source.queue.queueArn,
      batchSize: source.batchSize,
      reportBatchItemFailures: true,
      maxBatchingWindow: source.window,
      maxConcurrency: source.maximumConcurrency,
    });
  }
}

function environmentOf(options: Options, uses: readonly Use[]): Record<string, string> {
  return {
    PROFILE: options.profile.name,
    TIME_SCALE: options.timeScale,
    ...(options.extraCaFile === undefined ? {} : { EXTRA_CA_FILE: options.extraCaFile }),
    ...Object.assign({}, ...uses.map((use) => use.environment ?? {})),
  };
}
