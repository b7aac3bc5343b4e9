// Least privilege: one role per function, and nothing in it that is not in the reviewed list.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { PROJECT } from '../lib/paths';
import { PROFILE_NAMES, type ProfileName } from '../lib/profiles';
import { type Deployment, deployment, readJson } from './support';

interface Statement {
  readonly Effect: string;
  readonly Action: string | string[];
  readonly Resource: unknown;
}

const NETWORK_POLICY = 'arn:${AWS::Partition}:iam::aws:policy/service-role/AWSLambdaENIManagementAccess';
const SNAPSHOTS = ['local', 'dev', 'production'] as const;
// Actions that cannot be limited to a resource: AWS knows none for them, or the emulator does not look.
const LOG_DELIVERY = [
  'logs:CreateLogDelivery',
  'logs:DeleteLogDelivery',
  'logs:DescribeLogGroups',
  'logs:DescribeResourcePolicies',
  'logs:GetLogDelivery',
  'logs:ListLogDeliveries',
  'logs:PutResourcePolicy',
  'logs:UpdateLogDelivery',
];
const UNLIMITED: Readonly<Record<ProfileName, readonly string[]>> = {
  local: ['scheduler:ListSchedules', 'states:SendTaskFailure', 'states:SendTaskSuccess'],
  dev: LOG_DELIVERY,
  staging: LOG_DELIVERY,
  production: LOG_DELIVERY,
};
const list = <T>(value: T | T[]): T[] => (Array.isArray(value) ? value : [value]);

for (const profile of PROFILE_NAMES) {
  const stacks = deployment(profile);

  test(`${profile}: each function has a role of its own`, () => {
    const roles = [...stacks.functions().values()].map(({ Properties }) => stacks.say(Properties['Role']));
    assert.equal(new Set(roles).size, roles.length);
  });

  test(`${profile}: no policy allows every action of a service, or every resource of what can be limited`, () => {
    const statements = inlineStatements(stacks);
    for (const statement of statements) {
      for (const action of list(statement.Action)) assert.doesNotMatch(action, /\*/);
    }
    const unlimited = statements.filter(({ Resource }) => list(Resource).includes('*'));
    const actions = unlimited.flatMap(({ Action }) => list(Action));
    assert.deepEqual([...new Set(actions)].sort(), UNLIMITED[profile]);
  });

  test(`${profile}: the only policy of AWS is the one that networks need`, () => {
    for (const [name, { Properties }] of stacks.functions()) {
      const attached = role(stacks, Properties['Role']).Properties['ManagedPolicyArns'] ?? [];
      const expected = 'VpcConfig' in Properties ? [NETWORK_POLICY] : [];
      assert.deepEqual(list(attached).map((arn) => stacks.say(arn)), expected, name);
    }
  });
}

for (const profile of SNAPSHOTS) {
  test(`${profile}: permissions are the reviewed ones (UPDATE_SNAPSHOTS=1 npm test rewrites them)`, () => {
    const stacks = deployment(profile);
    const found = Object.fromEntries([...stacks.functions()].sort().map(([name]) => [name, permissions(stacks, name)]));
    const path = ['test', 'snapshots', `permissions-${profile}.json`];
    if (process.env['UPDATE_SNAPSHOTS'] === '1') {
      writeFileSync(join(PROJECT, ...path), `${JSON.stringify(found, undefined, 2)}\n`);
    }
    assert.deepEqual(found, readJson(...path));
  });
}

/** What the function may do: actions by resource. */
function permissions(stacks: Deployment, name: string): Record<string, string[]> {
  const byResource = new Map<string, string[]>();
  const policies = role(stacks, stacks.functions().get(name)?.Properties['Role']).Properties['Policies'] ?? [];
  for (const policy of policies) {
    for (const statement of policy.PolicyDocument.Statement as Statement[]) {
      assert.equal(statement.Effect, 'Allow');
      for (const resource of list(statement.Resource).map((value) => stacks.say(value))) {
        byResource.set(resource, [...(byResource.get(resource) ?? []), ...list(statement.Action)].sort());
      }
    }
  }
  return Object.fromEntries([...byResource].sort());
}

function role(stacks: Deployment, reference: { 'Fn::GetAtt': [string, string] }) {
  const found = stacks.all('AWS::IAM::Role').get(reference['Fn::GetAtt'][0]);
  assert.ok(found);
  return found;
}

function inlineStatements(stacks: Deployment): Statement[] {
  const inRoles = [...stacks.all('AWS::IAM::Role').values()].flatMap(({ Properties }) => Properties['Policies'] ?? []);
  const alone = [...stacks.all('AWS::IAM::Policy').values()].map(({ Properties }) => Properties);
  return [...inRoles, ...alone].flatMap((policy) => policy['PolicyDocument'].Statement);
}
