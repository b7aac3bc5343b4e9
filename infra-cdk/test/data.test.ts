// What must not be lost: kept when a stack goes, encrypted, backed up, and reached over TLS only.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AWS_PROFILES, type Resource, deployment } from './support';

const only = (resources: Map<string, Resource>): Resource => {
  assert.equal(resources.size, 1);
  return [...resources.values()][0] as Resource;
};

test('production keeps everything that holds state', () => {
  const stacks = deployment('production');
  const stateful = ['AWS::DynamoDB::Table', 'AWS::S3::Bucket', 'AWS::RDS::DBCluster', 'AWS::Logs::LogGroup'];
  const inbound = [...stacks.queues()].filter(([name]) => name.startsWith('inbound-gateway')).map(([, queue]) => queue);
  const kept = [...stateful.flatMap((type) => [...stacks.all(type).values()]), ...inbound];
  assert.equal(kept.length, 1 + 1 + 1 + 13 + 2);
  for (const resource of kept) {
    assert.equal(resource.DeletionPolicy, 'Retain', resource.Type);
    assert.equal(resource.UpdateReplacePolicy, 'Retain', resource.Type);
  }
  assert.equal(only(stacks.all('AWS::RDS::DBCluster')).Properties['DeletionProtection'], true);
  assert.equal(only(stacks.all('AWS::DynamoDB::Table')).Properties['DeletionProtectionEnabled'], true);
});

test('production keeps the secret that opens the database it keeps', () => {
  assert.equal(only(deployment('production').all('AWS::SecretsManager::Secret')).DeletionPolicy, 'Retain');
});

test('production survives the loss of an availability zone', () => {
  const stacks = deployment('production');
  assert.equal(stacks.all('AWS::RDS::DBInstance').size, 2);
  assert.equal(stacks.all('AWS::EC2::NatGateway').size, 2);
  assert.equal(only(stacks.all('AWS::RDS::DBCluster')).Properties['BackupRetentionPeriod'], 35);
});

for (const profile of AWS_PROFILES) {
  const stacks = deployment(profile);

  test(`${profile}: the database is encrypted, private, backed up, and takes TLS only`, () => {
    const cluster = only(stacks.all('AWS::RDS::DBCluster')).Properties;
    assert.equal(cluster['StorageEncrypted'], true);
    assert.ok(cluster['BackupRetentionPeriod'] >= 1);
    assert.equal(only(stacks.all('AWS::RDS::DBClusterParameterGroup')).Properties['Parameters']['rds.force_ssl'], '1');
    for (const instance of stacks.all('AWS::RDS::DBInstance').values()) {
      assert.notEqual(instance.Properties['PubliclyAccessible'], true);
    }
    assert.equal(only(stacks.all('AWS::SecretsManager::Secret')).Properties['Name'], `fluxnex/${profile}/database`);
  });

  test(`${profile}: payloads are private, encrypted, over TLS, and expire`, () => {
    const bucket = only(stacks.all('AWS::S3::Bucket')).Properties;
    assert.deepEqual(new Set(Object.values(bucket['PublicAccessBlockConfiguration'])), new Set([true]));
    assert.ok(bucket['BucketEncryption']);
    assert.equal(bucket['LifecycleConfiguration'].Rules[0].ExpirationInDays, 400);
    const [statement] = only(stacks.all('AWS::S3::BucketPolicy')).Properties['PolicyDocument'].Statement;
    assert.equal(statement.Effect, 'Deny');
    assert.deepEqual(statement.Condition, { Bool: { 'aws:SecureTransport': 'false' } });
  });
}

for (const profile of ['staging', 'production'] as const) {
  test(`${profile}: functions log in through the proxy, with a token, as one user`, () => {
    const stacks = deployment(profile);
    const proxy = only(stacks.all('AWS::RDS::DBProxy')).Properties;
    assert.equal(proxy['RequireTLS'], true);
    assert.equal(proxy['Auth'][0].IAMAuth, 'REQUIRED');
    const variables = stacks.functions().get('replicate')?.Properties['Environment'].Variables;
    assert.equal(variables.DATABASE_AUTH, 'iam');
    assert.equal(stacks.say(variables.DATABASE_HOST), `fluxnex-${profile}-database.Endpoint`);
  });
}

test('dev scales to zero, without a proxy that would prevent it, behind a small NAT', () => {
  const stacks = deployment('dev');
  const scaling = only(stacks.all('AWS::RDS::DBCluster')).Properties['ServerlessV2ScalingConfiguration'];
  assert.equal(scaling.MinCapacity, 0);
  assert.ok(scaling.SecondsUntilAutoPause >= 300);
  assert.equal(stacks.all('AWS::RDS::DBProxy').size, 0);
  assert.equal(stacks.all('AWS::EC2::NatGateway').size, 0);
  assert.equal(only(stacks.all('AWS::EC2::Instance')).Properties['InstanceType'], 't4g.nano');
});

test('dev functions trust the certificates of Amazon RDS when they are given', () => {
  const stacks = deployment('dev', { databaseCertificates: `${__filename}` });
  const variables = stacks.functions().get('route')?.Properties['Environment'].Variables;
  assert.equal(variables.EXTRA_CA_FILE, '/opt/data.test.js');
  assert.equal(stacks.functions().get('route')?.Properties['Layers'].length, 1);
  assert.equal('DatabaseCertificatesAreMissing' in (stacks.data.Parameters ?? {}), false);
  assert.equal('DatabaseCertificatesAreMissing' in (deployment('dev').data.Parameters ?? {}), true);
});

test('the control table is keyed by pk and sk, pays per request and expires items', () => {
  const table = only(deployment('local').all('AWS::DynamoDB::Table')).Properties;
  assert.equal(table['TableName'], 'fluxnex-local-control');
  assert.deepEqual(
    table['KeySchema'].map((key: { AttributeName: string }) => key.AttributeName),
    ['pk', 'sk'],
  );
  assert.equal(table['BillingMode'], 'PAY_PER_REQUEST');
  assert.equal(table['TimeToLiveSpecification'].AttributeName, 'expires_at');
});
