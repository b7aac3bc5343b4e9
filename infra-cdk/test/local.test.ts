// The local profile: only what the emulator has.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { deployment } from './support';

const SUPPORTED = [
  'AWS::ApiGatewayV2::Api',
  'AWS::ApiGatewayV2::Integration',
  'AWS::ApiGatewayV2::Route',
  'AWS::ApiGatewayV2::Stage',
  'AWS::DynamoDB::Table',
  'AWS::Events::Rule',
  'AWS::IAM::Role',
  'AWS::Lambda::EventInvokeConfig',
  'AWS::Lambda::EventSourceMapping',
  'AWS::Lambda::Function',
  'AWS::Lambda::Permission',
  'AWS::Logs::LogGroup',
  'AWS::S3::Bucket',
  'AWS::SQS::Queue',
  'AWS::Scheduler::ScheduleGroup',
  'AWS::StepFunctions::StateMachine',
  'Custom::Migrations',
];

test('no resource that the emulator lacks', () => {
  const resources = deployment('local').templates.flatMap((template) => Object.values(template.Resources));
  assert.deepEqual([...new Set(resources.map(({ Type }) => Type))].sort(), SUPPORTED);
});

test('functions find the database by the name of its secret, and log in with its password', () => {
  const stacks = deployment('local');
  const variables = stacks.functions().get('deliver')?.Properties['Environment'].Variables;
  assert.match(stacks.say(variables.DATABASE_SECRET_ARN), /:secret:fluxnex\/local\/database$/);
  assert.equal(variables.DATABASE_AUTH, 'password');
  assert.equal('DATABASE_HOST' in variables, false);
});

test('the certificate file and the time scale reach every function', () => {
  const stacks = deployment('local', { extraCaFile: '/somewhere/ca.pem', timeScale: '60' });
  for (const { Properties } of stacks.functions().values()) {
    assert.equal(Properties['Environment'].Variables.EXTRA_CA_FILE, '/somewhere/ca.pem');
    assert.equal(Properties['Environment'].Variables.TIME_SCALE, '60');
  }
});

test('built functions are uploaded with the credentials of the caller, to one bucket', () => {
  const code = deployment('local').functions().get('ingest')?.Properties['Code'];
  assert.equal(code.S3Bucket, 'fluxnex-local-assets');
  for (const template of deployment('local').templates) {
    assert.equal('BootstrapVersion' in (template.Parameters ?? {}), false);
  }
});
