// The workflow that gets a missing parent: its definition state by state, and the machine that runs it.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { DEFINITION } from '../lib/pipeline/blocking-fetch';
import { PROFILE_NAMES } from '../lib/profiles';
import { AWS_PROFILES, type Resource, deployment } from './support';

interface State {
  readonly Type: string;
  readonly Next?: string;
  readonly End?: boolean;
  readonly Catch?: readonly { readonly Next: string }[];
  readonly [field: string]: any;
}

const text = readFileSync(DEFINITION, 'utf8');
const definition: { readonly StartAt: string; readonly States: Readonly<Record<string, State>> } = JSON.parse(text);
const state = (name: string): State => {
  const found = definition.States[name];
  assert.ok(found, name);
  return found;
};
/** What the state says, without its comments. */
const said = (name: string): unknown =>
  JSON.parse(JSON.stringify(state(name), (key, value) => (key === 'Comment' ? undefined : value)));

const FETCH_AGAIN = { IntervalSeconds: 5, BackoffRate: 2, MaxDelaySeconds: 900, JitterStrategy: 'FULL' };

test('Fetch waits for its token until the deadline, and ends the execution itself', () => {
  const { Retry, Catch, ...fetch } = said('Fetch') as State;
  assert.deepEqual(fetch, {
    Type: 'Task',
    Resource: 'arn:${Partition}:states:::lambda:invoke.waitForTaskToken',
    Parameters: {
      FunctionName: '${FetchFunction}',
      Payload: { action: 'fetch', 'token.$': '$$.Task.Token', 'parent.$': '$$.Execution.Input' },
    },
    TimeoutSecondsPath: '$.timeout_seconds',
    End: true,
  });
  // Paths that keep the input: the deadline is read from it again after a pause.
  for (const catcher of state('Fetch').Catch ?? []) assert.equal((catcher as State)['ResultPath'], '$.error');
  assert.equal(Retry.length, 2);
  assert.equal(Catch?.length, 3);
});

test('Fetch is tried again for whatever may pass, never for what is final', () => {
  const [never, always] = (said('Fetch') as State)['Retry'];
  const final = ['Throttled', 'NotFound', 'Forbidden', 'Invalid', 'OutOfTime', 'Superseded', 'States.Timeout'];
  assert.deepEqual(never, { ErrorEquals: final, MaxAttempts: 0 });
  assert.deepEqual(always, { ErrorEquals: ['States.ALL'], ...FETCH_AGAIN, MaxAttempts: 1000 });
  // A history takes 25,000 events; an attempt is four of them.
  assert.ok(always.MaxAttempts * 4 < 25_000);
});

test('Fetch hands over throttling, what is superseded, and everything else that is final', () => {
  const ways = (state('Fetch').Catch ?? []).map((catcher) => [(catcher as State)['ErrorEquals'], catcher.Next]);
  assert.deepEqual(ways, [
    [['Throttled'], 'ReadPause'],
    [['Superseded'], 'Superseded'],
    [['States.ALL'], 'GiveUp'],
  ]);
});

test('a throttled fetch pauses as long as it is told, and is done again', () => {
  assert.deepEqual(said('ReadPause'), {
    Type: 'Pass',
    Parameters: { 'cause.$': 'States.StringToJson($.error.Cause)' },
    ResultPath: '$.pause',
    Next: 'Pause',
  });
  assert.deepEqual(said('Pause'), { Type: 'Wait', SecondsPath: '$.pause.cause.retry_after_seconds', Next: 'Fetch' });
});

test('what is superseded is no failure', () => {
  assert.deepEqual(said('Superseded'), { Type: 'Succeed' });
});

test('giving up is tried hard, keeps the error, and fails the execution with it', () => {
  assert.deepEqual(said('GiveUp'), {
    Type: 'Task',
    Resource: 'arn:${Partition}:states:::lambda:invoke',
    Parameters: {
      FunctionName: '${FetchFunction}',
      Payload: { action: 'give_up', 'parent.$': '$$.Execution.Input', 'error.$': '$.error' },
    },
    TimeoutSeconds: 120,
    Retry: [{ ErrorEquals: ['States.ALL'], ...FETCH_AGAIN, MaxAttempts: 10 }],
    ResultPath: null,
    Next: 'NotObtained',
  });
  assert.deepEqual(said('NotObtained'), {
    Type: 'Fail',
    ErrorPath: '$.error.Error',
    CausePath: 'States.JsonToString($.error)',
  });
});

test('every state can be reached, and every way leads to an end', () => {
  const next = (name: string): string[] => {
    const { Next, Catch = [] } = state(name);
    return [...(Next === undefined ? [] : [Next]), ...Catch.map((catcher) => catcher.Next)];
  };
  const reached = new Set<string>();
  const visit = (name: string): void => {
    if (reached.has(name)) return;
    reached.add(name);
    next(name).forEach(visit);
  };
  visit(definition.StartAt);
  assert.deepEqual([...reached].sort(), Object.keys(definition.States).sort());
  for (const [name, { Type, Next, End }] of Object.entries(definition.States)) {
    const isEnd = End === true || ['Succeed', 'Fail'].includes(Type);
    assert.equal(isEnd, Next === undefined, name);
  }
});

test('the definition has a comment for whoever reads it in the console', () => {
  assert.match(text, /^\{\n {2}"Comment": "/);
});

const only = (resources: Map<string, Resource>): Resource => {
  assert.equal(resources.size, 1);
  return [...resources.values()][0] as Resource;
};

for (const profile of PROFILE_NAMES) {
  const stacks = deployment(profile);
  const machine = only(stacks.all('AWS::StepFunctions::StateMachine')).Properties;

  test(`${profile}: the machine has the definition, and invokes fetch with a role that may do only that`, () => {
    assert.equal(machine['StateMachineName'], `fluxnex-${profile}-blocking-fetch`);
    assert.equal(machine['StateMachineType'], 'STANDARD');
    assert.equal(machine['DefinitionString'], text);
    const given: Record<string, unknown> = machine['DefinitionSubstitutions'];
    const wanted = [...text.matchAll(/\$\{(\w+)\}/g)].map(([, name]) => name);
    assert.deepEqual(Object.keys(given).sort(), [...new Set(wanted)].sort());
    assert.equal(stacks.say(given['FetchFunction']), `fluxnex-${profile}-fetch.Arn`);
    const { Policies } = roleOf(machine).Properties;
    const [invokes, ...others] = Policies[0].PolicyDocument.Statement;
    assert.equal(invokes.Action, 'lambda:InvokeFunction');
    assert.equal(stacks.say(invokes.Resource), `fluxnex-${profile}-fetch.Arn`);
    assert.equal(others.length, profile === 'local' ? 0 : 1);
  });

  test(`${profile}: the role is for this machine of this account`, () => {
    const [trust] = roleOf(machine).Properties['AssumeRolePolicyDocument'].Statement;
    assert.deepEqual(trust.Principal, { Service: 'states.amazonaws.com' });
    assert.deepEqual(trust.Condition.StringEquals, { 'aws:SourceAccount': { Ref: 'AWS::AccountId' } });
    assert.match(stacks.say(trust.Condition.ArnEquals['aws:SourceArn']), arn(profile));
  });

  test(`${profile}: normalise starts it, and normalise, fetch and sweep know its name`, () => {
    for (const name of ['normalise', 'fetch', 'sweep']) {
      const variables = stacks.functions().get(name)?.Properties['Environment'].Variables;
      assert.match(stacks.say(variables.BLOCKING_FETCH_ARN), arn(profile), name);
    }
  });

  function roleOf(properties: Record<string, any>): Resource {
    const found = stacks.all('AWS::IAM::Role').get(properties['RoleArn']['Fn::GetAtt'][0]);
    assert.ok(found);
    return found;
  }
}

for (const profile of AWS_PROFILES) {
  test(`${profile}: failed steps are logged, without their data`, () => {
    const stacks = deployment(profile);
    const machine = only(stacks.all('AWS::StepFunctions::StateMachine')).Properties;
    const { Level, IncludeExecutionData, Destinations } = machine['LoggingConfiguration'];
    assert.deepEqual([Level, IncludeExecutionData], ['ERROR', false]);
    const group = stacks.say(Destinations[0].CloudWatchLogsLogGroup.LogGroupArn);
    assert.equal(group, `/aws/vendedlogs/states/fluxnex-${profile}-blocking-fetch.Arn`);
  });
}

const arn = (profile: string): RegExp => new RegExp(`:states:.*:stateMachine:fluxnex-${profile}-blocking-fetch$`);
