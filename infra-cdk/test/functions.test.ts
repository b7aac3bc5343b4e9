// Functions: what runs where, for how long, with which environment.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FUNCTION_NAMES } from '../lib/functions/catalogue';
import { checkSettings, declaredSettings } from '../lib/functions/settings';
import { PROFILE_NAMES } from '../lib/profiles';
import { AWS_PROFILES, deployment } from './support';

for (const profile of PROFILE_NAMES) {
  const stacks = deployment(profile);

  test(`${profile}: the functions are those of the catalogue, and all of them are ours`, () => {
    assert.deepEqual([...stacks.functions().keys()].sort(), [...FUNCTION_NAMES].sort());
    for (const [name, { Properties }] of stacks.functions()) {
      assert.equal(Properties['FunctionName'], `fluxnex-${profile}-${name}`);
      assert.equal(Properties['Runtime'], 'provided.al2023');
      assert.deepEqual(Properties['Architectures'], [profile === 'local' ? 'x86_64' : 'arm64']);
      assert.equal(Properties['MemorySize'], 256);
    }
  });

  test(`${profile}: each function logs to a group of its own that forgets`, () => {
    const days = profile === 'dev' ? 7 : 30;
    for (const { Properties } of stacks.all('AWS::Logs::LogGroup').values()) {
      assert.equal(Properties['RetentionInDays'], days);
    }
    for (const [name, { Properties }] of stacks.functions()) {
      assert.equal(stacks.say(Properties['LoggingConfig'].LogGroup), `/aws/lambda/fluxnex-${profile}-${name}`);
    }
  });

  test(`${profile}: variables are exactly those declared, and none holds a secret`, () => {
    for (const [name, { Properties }] of stacks.functions()) {
      const variables: Record<string, unknown> = Properties['Environment'].Variables;
      const declared = Object.keys({
        ...declaredSettings()['all']?.required,
        ...declaredSettings()['all']?.optional,
        ...declaredSettings()[name]?.required,
        ...declaredSettings()[name]?.optional,
      });
      for (const [variable, value] of Object.entries(variables)) {
        assert.ok(declared.includes(variable), `${name} is given ${variable}`);
        assertNoSecret(`${name}: ${variable}`, variable, value);
      }
      for (const variable of Object.keys(declaredSettings()[name]?.required ?? {})) assert.ok(variable in variables);
    }
  });

  test(`${profile}: functions that use the database are updated after the migrations`, () => {
    const [migrations] = stacks.all('Custom::Migrations').keys();
    for (const [name, resource] of stacks.functions()) {
      const waits = resource.DependsOn?.includes(migrations ?? '') ?? false;
      assert.equal(waits, !['ingest', 'poll', 'migrate'].includes(name), name);
    }
  });

  test(`${profile}: sweep runs each minute`, () => {
    const [rule, ...others] = stacks.all('AWS::Events::Rule').values();
    assert.equal(others.length, 0);
    assert.equal(rule?.Properties['ScheduleExpression'], 'rate(1 minute)');
    assert.equal(rule?.Properties['State'], 'ENABLED');
    assert.equal(stacks.say(rule?.Properties['Targets'][0].Arn), `fluxnex-${profile}-sweep.Arn`);
  });
}

for (const profile of AWS_PROFILES) {
  test(`${profile}: all functions but ingest are in one network, so that applications see the same addresses`, () => {
    for (const [name, { Properties }] of deployment(profile).functions()) {
      assert.equal('VpcConfig' in Properties, name !== 'ingest', name);
    }
  });
}

test('timeouts are those of the contract', () => {
  const timeouts = (profile: 'local' | 'production'): Record<string, number> => {
    const functions = [...deployment(profile).functions()];
    return Object.fromEntries(functions.map(([name, { Properties }]) => [name, Properties['Timeout']]));
  };
  const shared = { ingest: 10, api: 29 };
  const layers = (seconds: number) => ({ replicate: seconds, normalise: seconds, route: seconds, notify: seconds });
  assert.deepEqual(timeouts('production'), {
    ...{ ...shared, ...layers(30) },
    ...{ poll: 60, fetch: 60, deliver: 60, sweep: 60, migrate: 300 },
  });
  assert.deepEqual(timeouts('local'), {
    ...{ ...shared, ...layers(15) },
    ...{ poll: 10, fetch: 15, deliver: 20, sweep: 20, migrate: 60 },
  });
});

test('every function is declared in functions/settings.json, and nothing else', () => {
  assert.deepEqual(Object.keys(declaredSettings()).sort(), ['all', ...FUNCTION_NAMES].sort());
});

test('a variable that is missing or unknown is refused by name', () => {
  const settings = {
    all: { required: { PROFILE: 'profile' }, optional: {} },
    notify: { required: { QUEUE_URL: 'queue' }, optional: { HOST: 'host' } },
  };
  checkSettings('notify', { PROFILE: 'local', QUEUE_URL: 'x' }, settings);
  checkSettings('notify', { PROFILE: 'local', QUEUE_URL: 'x', HOST: 'y' }, settings);
  assert.throws(() => checkSettings('notify', { PROFILE: 'local' }, settings), /notify .*lacks QUEUE_URL/);
  assert.throws(
    () => checkSettings('notify', { PROFILE: 'local', QUEUE_URL: 'x', OTHER: 'z' }, settings),
    /notify .*given OTHER, which is not declared/,
  );
});

function assertNoSecret(what: string, variable: string, value: unknown): void {
  assert.doesNotMatch(variable, /PASSWORD|PASSPHRASE|CREDENTIAL|TOKEN|API_?KEY|PRIVATE|SECRET(?!_ARN$)/, what);
  const text = JSON.stringify(value);
  assert.doesNotMatch(text, /\{\{resolve:/, what);
  assert.doesNotMatch(text, /whsec_|AKIA|-----BEGIN|:\/\/[^/"]*:[^/"]*@/, what);
}
