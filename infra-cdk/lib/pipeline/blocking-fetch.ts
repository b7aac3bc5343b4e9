// The workflow that gets one missing parent, and what functions may do with it.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  ArnFormat,
  RemovalPolicy,
  Stack,
  aws_iam as iam,
  aws_logs as logs,
  aws_stepfunctions as stepfunctions,
} from 'aws-cdk-lib';
import { Construct } from 'constructs';
import type { StageFunction } from '../functions/stage-function';
import type { Use } from '../functions/use';
import { physicalName } from '../names';
import { PROJECT } from '../paths';
import type { Profile } from '../profiles';

/** The definition, with its comments. `${…}` stands for what `definitionSubstitutions` gives. */
export const DEFINITION = join(PROJECT, 'lib', 'pipeline', 'blocking-fetch.asl.json');

// What delivering logs takes. None of these actions can be limited to a resource:
// https://docs.aws.amazon.com/step-functions/latest/dg/cw-logs.html
const DELIVERS_LOGS = [
  'logs:CreateLogDelivery',
  'logs:GetLogDelivery',
  'logs:UpdateLogDelivery',
  'logs:DeleteLogDelivery',
  'logs:ListLogDeliveries',
  'logs:PutResourcePolicy',
  'logs:DescribeResourcePolicies',
  'logs:DescribeLogGroups',
];

export class BlockingFetch extends Construct {
  private readonly name: string;
  /** Formed by name: `fetch` is told of the machine that invokes it, which has to come after it. */
  private readonly arn: string;

  constructor(
    scope: Construct,
    id: string,
    private readonly profile: Profile,
  ) {
    super(scope, id);
    this.name = physicalName(profile.name, 'blocking-fetch');
    this.arn = Stack.of(this).formatArn({
      service: 'states',
      resource: 'stateMachine',
      resourceName: this.name,
      arnFormat: ArnFormat.COLON_RESOURCE_NAME,
    });
  }

  /** The function starts executions. */
  starts(): Use {
    return this.use(['states:StartExecution'], this.arn);
  }

  /** The function answers the token of a step, either way. */
  answers(): Use {
    // The emulator does not look whose token it is.
    const resource = this.profile.workflows.tokensOf === 'machine' ? this.arn : '*';
    return this.use(['states:SendTaskSuccess', 'states:SendTaskFailure'], resource);
  }

  /** Makes the machine, whose steps the function does. */
  doneBy(fetch: StageFunction): stepfunctions.CfnStateMachine {
    const log = this.profile.workflows.logsFailures ? this.log() : undefined;
    return new stepfunctions.CfnStateMachine(this, 'StateMachine', {
      stateMachineName: this.name,
      // A step may wait for months; an Express workflow ends after five minutes and has no tokens.
      stateMachineType: 'STANDARD',
      definitionString: readFileSync(DEFINITION, 'utf8'),
      definitionSubstitutions: { Partition: Stack.of(this).partition, FetchFunction: fetch.function.functionArn },
      roleArn: this.role(fetch, log !== undefined).roleArn,
      loggingConfiguration: log && {
        level: 'ERROR',
        // Inputs and errors hold ids and texts of the tenant's records.
        includeExecutionData: false,
        destinations: [{ cloudWatchLogsLogGroup: { logGroupArn: log.logGroupArn } }],
      },
    });
  }

  private use(actions: string[], resource: string): Use {
    return {
      environment: { BLOCKING_FETCH_ARN: this.arn },
      statements: [new iam.PolicyStatement({ actions, resources: [resource] })],
    };
  }

  private role(fetch: StageFunction, deliversLogs: boolean): iam.Role {
    const invokes = new iam.PolicyStatement({
      actions: ['lambda:InvokeFunction'],
      resources: [fetch.function.functionArn],
    });
    const delivers = new iam.PolicyStatement({ actions: DELIVERS_LOGS, resources: ['*'] });
    return new iam.Role(this, 'Role', {
      // Step Functions takes it on for this machine only, not for one of another account.
      assumedBy: new iam.ServicePrincipal('states.amazonaws.com', {
        conditions: {
          StringEquals: { 'aws:SourceAccount': Stack.of(this).account },
          ArnEquals: { 'aws:SourceArn': this.arn },
        },
      }),
      inlinePolicies: {
        steps: new iam.PolicyDocument({ statements: deliversLogs ? [invokes, delivers] : [invokes] }),
      },
    });
  }

  private log(): logs.LogGroup {
    return new logs.LogGroup(this, 'Log', {
      // AWS keeps one resource policy for all groups of this prefix; else accounts run into its size limit.
      logGroupName: `/aws/vendedlogs/states/${this.name}`,
      retention: this.profile.functions.logRetention,
      removalPolicy: this.profile.protects ? RemovalPolicy.RETAIN : RemovalPolicy.DESTROY,
    });
  }
}
