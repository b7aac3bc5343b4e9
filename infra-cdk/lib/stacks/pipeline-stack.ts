// The pipeline: which queue invokes which function, and what each function may reach.
import { Stack, type StackProps } from 'aws-cdk-lib';
import type { Construct } from 'constructs';
import { ConnectionSecrets } from '../data/connection-secrets';
import type { FunctionName } from '../functions/catalogue';
import { StageFunction } from '../functions/stage-function';
import type { Use } from '../functions/use';
import type { Options } from '../options';
import { BlockingFetch } from '../pipeline/blocking-fetch';
import { migratesTenants } from '../pipeline/migrate-calls';
import { Migrations } from '../pipeline/migrations';
import { PollSchedules } from '../pipeline/poll-schedules';
import { everyMinute } from '../pipeline/schedule';
import { targetConnectors } from '../queues/connectors';
import { Queues } from '../queues/queues';
import type { DataStack } from './data-stack';

export class PipelineStack extends Stack {
  readonly ingest: StageFunction;
  readonly api: StageFunction;

  constructor(scope: Construct, id: string, options: Options, data: DataStack, props: StackProps) {
    super(scope, id, props);
    const { profile } = options;
    const { control, payloads, database } = data;
    const queues = new Queues(this, 'Queues', { profile, targets: targetConnectors(options.connectors) });
    const connections = new ConnectionSecrets(this, 'Connections', profile);
    const schedules = new PollSchedules(this, 'PollSchedules', profile, queues.fetchRequest);
    const blockingFetch = new BlockingFetch(this, 'BlockingFetch', profile);
    const stage = (name: FunctionName, ...uses: Use[]) => new StageFunction(this, { options, name, uses });

    // The schema first: functions that use the database come after it, at each deployment.
    const migrate = stage('migrate', database.connects());
    const migrations = new Migrations(this, 'Migrations', profile, migrate);
    const storing = (name: FunctionName, ...uses: Use[]) => {
      const made = stage(name, database.connects(), ...uses);
      made.function.node.addDependency(migrations);
      return made;
    };

    // L1
    this.ingest = stage(
      'ingest',
      queues.inboundGateway.sends(),
      payloads.stores(),
      control.reads(),
      connections.reads(),
      calledAt(options.publicOrigin),
    );

    stage(
      'poll',
      // Sources with a list of allowed addresses see the same ones as from `fetch` and `deliver`.
      database.callsOut(),
      queues.fetchRequest.invokes(),
      queues.fetchRequest.sends(),
      queues.inboundGateway.sends(),
      queues.notificationDelivery.sends(),
      payloads.stores(),
      control.keepsProgress(),
      connections.rotates(),
    );

    // L2
    storing(
      'replicate',
      queues.inboundGateway.invokes(),
      queues.sourceReplica.sends(),
      queues.notificationDelivery.sends(),
      payloads.loads(),
      control.writes(),
    );

    // L3
    storing(
      'normalise',
      queues.sourceReplica.invokes(),
      queues.sourceReplica.sends(),
      queues.normalised.sends(),
      queues.notificationDelivery.sends(),
      control.writes(),
      blockingFetch.starts(),
      blockingFetch.answers(),
    );
    const fetch = storing(
      'fetch',
      queues.inboundGateway.sends(),
      queues.notificationDelivery.sends(),
      payloads.stores(),
      connections.rotates(),
      control.writes(),
      blockingFetch.answers(),
    );
    blockingFetch.doneBy(fetch);

    // L4
    storing(
      'route',
      queues.normalised.invokes(),
      queues.outbound.sends(),
      queues.notificationDelivery.sends(),
      control.writes(),
    );

    // L5
    storing(
      'deliver',
      ...queues.outbound.invoke(),
      queues.delayedWakes.invokes(),
      queues.outbound.sends(),
      queues.delayedWakes.sends(),
      queues.notificationDelivery.sends(),
      control.writes(),
      connections.rotates(),
    );

    // All layers
    storing('notify', queues.notificationDelivery.invokes(), control.leases(), connections.rotates());
    const sweep = storing(
      'sweep',
      queues.sweepTenant.invokes(),
      ...queues.deadLettersInvoke(),
      queues.fetchRequest.sends(),
      queues.inboundGateway.sends(),
      queues.sourceReplica.sends(),
      queues.normalised.sends(),
      queues.outbound.sends(),
      queues.delayedWakes.sends(),
      queues.sweepTenant.sends(),
      queues.notificationDelivery.sends(),
      control.writes(),
      blockingFetch.answers(),
    );
    everyMinute(this, 'EveryMinute', profile, sweep);

    // Management
    this.api = storing(
      'api',
      control.writes(),
      schedules.manages(),
      connections.manages(),
      migratesTenants(migrate),
    );
  }
}

/** Senders call the API at this address, which some of their signatures cover. */
function calledAt(publicOrigin: string | undefined): Use {
  return publicOrigin === undefined ? {} : { environment: { PUBLIC_ORIGIN: publicOrigin } };
}
