// Queues and their consumers: nothing is lost for want of time, retries or room.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PROFILE_NAMES } from '../lib/profiles';
import { TARGETS, deployment } from './support';

const CONSUMERS: Readonly<Record<string, string>> = {
  'fetch-request': 'poll',
  'inbound-gateway': 'replicate',
  'source-replica': 'normalise',
  normalised: 'route',
  'outbound-quickbooks-online.fifo': 'deliver',
  'outbound-webhook.fifo': 'deliver',
  'delayed-wakes': 'deliver',
  'sweep-tenant': 'sweep',
  'notification-delivery': 'notify',
};
const FOURTEEN_DAYS = 14 * 24 * 3600;

const deadLettersOf = (queue: string): string =>
  queue.endsWith('.fifo') ? queue.replace('.fifo', '-dlq.fifo') : `${queue}-dlq`;

for (const profile of PROFILE_NAMES) {
  const stacks = deployment(profile);

  test(`${profile}: the queues are those of the contract, each with a dead-letter queue`, () => {
    const expected = Object.keys(CONSUMERS).flatMap((queue) => [queue, deadLettersOf(queue)]);
    assert.deepEqual([...stacks.queues().keys()].sort(), expected.sort());
    for (const queue of Object.keys(CONSUMERS)) {
      const redrive = stacks.queues().get(queue)?.Properties['RedrivePolicy'];
      const target = stacks.say(redrive.deadLetterTargetArn);
      assert.equal(target, `fluxnex-${profile}-${deadLettersOf(queue)}.Arn`);
      assert.equal(redrive.maxReceiveCount, queue === 'inbound-gateway' ? 10 : 5, queue);
    }
  });

  test(`${profile}: every queue is encrypted and keeps messages 14 days`, () => {
    for (const [name, { Properties }] of stacks.queues()) {
      assert.equal(Properties['MessageRetentionPeriod'], FOURTEEN_DAYS, name);
      assert.equal(Properties['SqsManagedSseEnabled'], true, name);
    }
  });

  test(`${profile}: each queue invokes one function, and every dead letter reaches sweep`, () => {
    const expected = Object.entries(CONSUMERS).flatMap(([queue, consumer]) => [
      `${queue} -> ${consumer}`,
      `${deadLettersOf(queue)} -> sweep`,
    ]);
    const found = stacks.eventSources().map((source) => `${source.queue} -> ${source.function}`);
    assert.deepEqual(found.sort(), expected.sort());
  });

  test(`${profile}: a message stays invisible for six timeouts of its consumer and the batch window`, () => {
    for (const { queue, function: consumer, mapping } of stacks.eventSources()) {
      const timeout = stacks.functions().get(consumer)?.Properties['Timeout'];
      const window = mapping.Properties['MaximumBatchingWindowInSeconds'] ?? 0;
      const visibility = stacks.queues().get(queue)?.Properties['VisibilityTimeout'];
      assert.ok(visibility >= 6 * timeout + window, `${queue}: ${visibility} s for ${consumer} with ${timeout} s`);
    }
  });

  test(`${profile}: event sources report partial failures, and batches are as AWS allows them`, () => {
    for (const { queue, mapping } of stacks.eventSources()) {
      const { BatchSize, FunctionResponseTypes, MaximumBatchingWindowInSeconds, ScalingConfig } = mapping.Properties;
      assert.deepEqual(FunctionResponseTypes, ['ReportBatchItemFailures'], queue);
      const bulk = profile !== 'local' && ['inbound-gateway', 'source-replica', 'normalised'].includes(queue);
      assert.equal(BatchSize, bulk ? 100 : 10, queue);
      assert.equal(MaximumBatchingWindowInSeconds, bulk ? 1 : undefined, queue);
      if (profile === 'local') assert.equal(ScalingConfig, undefined);
      else assert.ok(ScalingConfig.MaximumConcurrency >= 2, queue);
    }
  });

  test(`${profile}: outbound queues are FIFO with the throughput of each message group`, () => {
    for (const [name, { Properties }] of stacks.queues()) {
      assert.equal(Properties['FifoQueue'], name.startsWith('outbound-') ? true : undefined, name);
      if (!name.startsWith('outbound-')) continue;
      assert.equal(Properties['ContentBasedDeduplication'], false, name);
      assert.equal(Properties['DeduplicationScope'], 'messageGroup', name);
      assert.equal(Properties['FifoThroughputLimit'], 'perMessageGroupId', name);
    }
  });

  test(`${profile}: route, deliver and sweep learn every outbound queue`, () => {
    for (const name of ['route', 'deliver', 'sweep']) {
      const text = stacks.say(stacks.functions().get(name)?.Properties['Environment'].Variables.OUTBOUND_QUEUES);
      const expected = TARGETS.map((target) => [target, `fluxnex-${profile}-outbound-${target}.fifo`]);
      assert.deepEqual(JSON.parse(text), Object.fromEntries(expected));
    }
  });
}
