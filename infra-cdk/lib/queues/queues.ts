// Every queue of the pipeline.
import { Stack } from 'aws-cdk-lib';
import { Construct } from 'constructs';
import type { FunctionName } from '../functions/catalogue';
import type { Use } from '../functions/use';
import type { Profile } from '../profiles';
import { StageQueue, type StageQueueProps } from './stage-queue';

export interface QueuesProps {
  readonly profile: Profile;
  /** Connectors that get an outbound queue. */
  readonly targets: readonly string[];
}

export class Queues extends Construct {
  readonly fetchRequest: StageQueue;
  readonly inboundGateway: StageQueue;
  readonly sourceReplica: StageQueue;
  readonly normalised: StageQueue;
  readonly outbound: OutboundQueues;
  readonly delayedWakes: StageQueue;
  readonly sweepTenant: StageQueue;
  readonly notificationDelivery: StageQueue;

  constructor(scope: Construct, id: string, props: QueuesProps) {
    super(scope, id);
    const { profile } = props;
    const { bulk } = profile.eventSources;
    const queue = (name: string, consumer: FunctionName, more: Partial<StageQueueProps> = {}): StageQueue =>
      new StageQueue(this, { profile, name, consumer, ...more });

    // Polls are few, and each takes seconds: gathering them for larger batches would save nothing and cost time.
    this.fetchRequest = queue('fetch-request', 'poll');
    this.inboundGateway = queue('inbound-gateway', 'replicate', {
      ...bulk,
      maxReceiveCount: 10,
      // An accepted event is nowhere else until L2 has stored it.
      retained: true,
    });
    this.sourceReplica = queue('source-replica', 'normalise', bulk);
    this.normalised = queue('normalised', 'route', bulk);
    this.outbound = new OutboundQueues(this, 'Outbound', props);
    this.delayedWakes = queue('delayed-wakes', 'deliver');
    this.sweepTenant = queue('sweep-tenant', 'sweep');
    this.notificationDelivery = queue('notification-delivery', 'notify');
  }

  /** Every dead-letter queue invokes the function. */
  deadLettersInvoke(): Use[] {
    const queues = [
      this.fetchRequest,
      this.inboundGateway,
      this.sourceReplica,
      this.normalised,
      ...this.outbound.queues.values(),
      this.delayedWakes,
      this.sweepTenant,
      this.notificationDelivery,
    ];
    return queues.map((queue) => queue.deadLettersInvoke());
  }
}

/** One FIFO queue for each connector that is a target. */
export class OutboundQueues extends Construct {
  readonly queues: ReadonlyMap<string, StageQueue>;

  constructor(scope: Construct, id: string, props: QueuesProps) {
    super(scope, id);
    const { profile } = props;
    this.queues = new Map(
      props.targets.map((connector) => [
        connector,
        new StageQueue(this, { profile, name: `outbound-${connector}`, fifo: true, consumer: 'deliver' }),
      ]),
    );
  }

  /** The function may put messages into all of them, and learns their URLs by connector. */
  sends(): Use {
    const urls = Object.fromEntries([...this.queues].map(([connector, queue]) => [connector, queue.queue.queueUrl]));
    return {
      environment: { OUTBOUND_QUEUES: Stack.of(this).toJsonString(urls) },
      statements: [...this.queues.values()].map((queue) => queue.maySend()),
    };
  }

  /** Each of them invokes the function. */
  invoke(): Use[] {
    return [...this.queues.values()].map((queue) => queue.invokes());
  }
}
