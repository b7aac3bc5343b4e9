// Schedules of polls: `api` makes them, EventBridge Scheduler sends with a role that can only ask for polls.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PROFILE_NAMES } from '../lib/profiles';
import { type Resource, deployment } from './support';

for (const profile of PROFILE_NAMES) {
  const stacks = deployment(profile);
  const variables = stacks.functions().get('api')?.Properties['Environment'].Variables;

  test(`${profile}: api learns the group, the role and the queue`, () => {
    const [group, ...others] = stacks.all('AWS::Scheduler::ScheduleGroup');
    assert.equal(others.length, 0);
    assert.equal(group?.[1].Properties['Name'], `fluxnex-${profile}`);
    assert.deepEqual(variables.SCHEDULE_GROUP, { Ref: group?.[0] });
    assert.equal(stacks.say(variables.FETCH_REQUEST_ARN), `fluxnex-${profile}-fetch-request.Arn`);
  });

  test(`${profile}: the role is for schedules of this group of this account, and only sends requests to poll`, () => {
    const { AssumeRolePolicyDocument, Policies } = role().Properties;
    const [trust, ...others] = AssumeRolePolicyDocument.Statement;
    assert.equal(others.length, 0);
    assert.deepEqual(trust.Principal, { Service: 'scheduler.amazonaws.com' });
    assert.deepEqual(trust.Condition.StringEquals, { 'aws:SourceAccount': { Ref: 'AWS::AccountId' } });
    const source = stacks.say(trust.Condition.ArnEquals['aws:SourceArn']);
    assert.match(source, new RegExp(`:scheduler:.*:schedule-group/fluxnex-${profile}$`));
    const [sends, ...more] = Policies[0].PolicyDocument.Statement;
    assert.equal(more.length, 0);
    const actions = profile === 'local' ? ['sqs:SendMessage', 'sqs:SendMessageBatch'] : 'sqs:SendMessage';
    assert.deepEqual(sends.Action, actions);
    assert.equal(stacks.say(sends.Resource), `fluxnex-${profile}-fetch-request.Arn`);
  });

  test(`${profile}: api hands that role to the scheduler, and nothing else to anybody`, () => {
    const statements = statementsOf('api').filter(({ Action }) => Action === 'iam:PassRole');
    assert.equal(statements.length, 1);
    assert.deepEqual(statements[0]?.Resource, variables.SCHEDULE_ROLE_ARN);
    const condition = { StringEquals: { 'iam:PassedToService': 'scheduler.amazonaws.com' } };
    assert.deepEqual(statements[0]?.Condition, condition);
  });

  function role(): Resource {
    const found = stacks.all('AWS::IAM::Role').get(variables.SCHEDULE_ROLE_ARN['Fn::GetAtt'][0]);
    assert.ok(found);
    return found;
  }

  function statementsOf(name: string): { Action: unknown; Resource: unknown; Condition?: unknown }[] {
    const reference = stacks.functions().get(name)?.Properties['Role']['Fn::GetAtt'][0];
    const { Policies } = stacks.all('AWS::IAM::Role').get(reference)?.Properties ?? {};
    return Policies.flatMap((policy: any) => policy.PolicyDocument.Statement);
  }
}
