// A queue between two stages, with its dead-letter queue.
import { Duration, RemovalPolicy, aws_iam as iam, aws_sqs as sqs } from 'aws-cdk-lib';
import { Construct } from 'constructs';
import type { FunctionName } from '../functions/catalogue';
import type { Source, Use } from '../functions/use';
import { pascalCase, physicalName } from '../names';
import type { Profile } from '../profiles';

const RETENTION = Duration.days(14);

export interface StageQueueProps {
  readonly profile: Profile;
  /** Without prefix and without `.fifo`. */
  readonly name: string;
  readonly fifo?: boolean;
  readonly consumer: FunctionName;
  /** How long a batch is gathered for its consumer. */
  readonly windowSeconds?: number;
  readonly batchSize?: number;
  readonly maxReceiveCount?: number;
  /** Keeps the queue when its stack goes: for queues that hold what exists nowhere else. */
  readonly retained?: boolean;
}

export class StageQueue extends Construct {
  readonly queue: sqs.Queue;
  readonly deadLetters: sqs.Queue;

  constructor(
    scope: Construct,
    private readonly props: StageQueueProps,
  ) {
    super(scope, pascalCase(props.name));
    const { timeoutSeconds } = props.profile.functions;
    this.deadLetters = new sqs.Queue(this, 'DeadLetters', {
      ...this.kind(`${props.name}-dlq`),
      // `sweep` registers dead letters.
      visibilityTimeout: visibility(timeoutSeconds.sweep),
    });
    this.queue = new sqs.Queue(this, 'Queue', {
      ...this.kind(props.name),
      visibilityTimeout: visibility(timeoutSeconds[props.consumer], props.windowSeconds),
      deadLetterQueue: { queue: this.deadLetters, maxReceiveCount: props.maxReceiveCount ?? 5 },
    });
  }

  /** The function may put messages into the queue, and learns its URL as `<QUEUE>_URL`. */
  sends(): Use {
    const variable = `${this.props.name.toUpperCase().replaceAll('-', '_')}_URL`;
    return { environment: { [variable]: this.queue.queueUrl }, statements: [this.maySend()] };
  }

  /** Permission to put messages into the queue. */
  maySend(): iam.PolicyStatement {
    const actions = [...this.props.profile.queues.sendActions];
    return new iam.PolicyStatement({ actions, resources: [this.queue.queueArn] });
  }

  /** The queue invokes the function. */
  invokes(): Use {
    return polled({
      id: pascalCase(this.props.name),
      queue: this.queue,
      batchSize: this.props.batchSize ?? 10,
      window: this.props.windowSeconds ? Duration.seconds(this.props.windowSeconds) : undefined,
      maximumConcurrency: concurrency(this.props.profile),
    });
  }

  /** The dead-letter queue invokes the function. */
  deadLettersInvoke(): Use {
    return polled({
      id: `${pascalCase(this.props.name)}DeadLetters`,
      queue: this.deadLetters,
      batchSize: 10,
      maximumConcurrency: concurrency(this.props.profile, 2),
    });
  }

  private kind(name: string): sqs.QueueProps {
    const retained = this.props.retained === true && this.props.profile.protects;
    return {
      queueName: physicalName(this.props.profile.name, this.props.fifo === true ? `${name}.fifo` : name),
      retentionPeriod: RETENTION,
      encryption: sqs.QueueEncryption.SQS_MANAGED,
      removalPolicy: retained ? RemovalPolicy.RETAIN : RemovalPolicy.DESTROY,
      ...(this.props.fifo === true
        ? {
            fifo: true,
            // Each wake has a deduplication id of its own; equal bodies are different wakes.
            contentBasedDeduplication: false,
            deduplicationScope: sqs.DeduplicationScope.MESSAGE_GROUP,
            fifoThroughputLimit: sqs.FifoThroughputLimit.PER_MESSAGE_GROUP_ID,
          }
        : {}),
    };
  }
}

function polled(source: Source): Use {
  const statement = new iam.PolicyStatement({
    actions: ['sqs:ReceiveMessage', 'sqs:DeleteMessage', 'sqs:GetQueueAttributes'],
    resources: [source.queue.queueArn],
  });
  return { sources: [source], statements: [statement] };
}

// Six timeouts leave room for throttled retries of a batch; AWS adds the window on top.
function visibility(timeoutSeconds: number, windowSeconds = 0): Duration {
  return Duration.seconds(6 * timeoutSeconds + windowSeconds);
}

function concurrency(profile: Profile, atMost = Number.POSITIVE_INFINITY): number | undefined {
  const limit = profile.eventSources.maximumConcurrency;
  return limit === undefined ? undefined : Math.min(limit, atMost);
}
