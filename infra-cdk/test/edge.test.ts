// The HTTP API: who may call what, how often, and what is written down about it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PROFILE_NAMES } from '../lib/profiles';
import { deployment } from './support';

const WEBHOOKS = 'POST /v1/webhooks/{tenant}/{connection}';
const ROUTES: Readonly<Record<string, readonly [target: string, authorization: string]>> = {
  [WEBHOOKS]: ['ingest', 'NONE'],
  'GET /v1/health/live': ['api', 'NONE'],
  'GET /v1/health/ready': ['api', 'NONE'],
  'GET /v1/openapi.json': ['api', 'AWS_IAM'],
  'GET /v1/connectors/{connector}': ['api', 'AWS_IAM'],
  'GET /v1/tenants/{tenant}/bundle': ['api', 'AWS_IAM'],
  'PUT /v1/tenants/{tenant}/bundle': ['api', 'AWS_IAM'],
  'GET /v1/tenants/{tenant}/bundle/versions': ['api', 'AWS_IAM'],
  'GET /v1/tenants/{tenant}/bundle/versions/{version}': ['api', 'AWS_IAM'],
  'POST /v1/tenants/{tenant}/bundle/sample': ['api', 'AWS_IAM'],
  'GET /v1/tenants/{tenant}/connections/{connection}/record': ['api', 'AWS_IAM'],
  'GET /v1/tenants/{tenant}/connections/{connection}/secret': ['api', 'AWS_IAM'],
  'PUT /v1/tenants/{tenant}/connections/{connection}/secret': ['api', 'AWS_IAM'],
  'PATCH /v1/tenants/{tenant}/connections/{connection}/secret': ['api', 'AWS_IAM'],
  'DELETE /v1/tenants/{tenant}/connections/{connection}/secret': ['api', 'AWS_IAM'],
  'POST /v1/tenants/{tenant}/connections/{connection}/consent': ['api', 'AWS_IAM'],
  'POST /v1/tenants/{tenant}/connections/{connection}/consent/code': ['api', 'AWS_IAM'],
  'POST /v1/tenants/{tenant}/connections/{connection}/test': ['api', 'AWS_IAM'],
};

for (const profile of PROFILE_NAMES) {
  const stacks = deployment(profile);

  test(`${profile}: routes reach their functions, and only AWS identities may manage`, () => {
    const integrations = stacks.all('AWS::ApiGatewayV2::Integration');
    const found = [...stacks.all('AWS::ApiGatewayV2::Route').values()].map(({ Properties }) => {
      const id: string = Properties['Target']['Fn::Join'][1][1].Ref;
      const integration = integrations.get(id)?.Properties ?? {};
      assert.equal(integration['PayloadFormatVersion'], '2.0');
      const [, target] = /^fluxnex-[a-z]+-([a-z]+)\.Arn$/.exec(stacks.say(integration['IntegrationUri'])) ?? [];
      return [Properties['RouteKey'], [target, Properties['AuthorizationType']]];
    });
    assert.deepEqual(Object.fromEntries(found), ROUTES);
  });

  test(`${profile}: the API may invoke its functions, each for its own route`, () => {
    const resources = Object.values(stacks.edge.Resources);
    const permissions = resources.filter(({ Type }) => Type === 'AWS::Lambda::Permission');
    assert.equal(permissions.length, Object.keys(ROUTES).length);
    for (const { Properties } of permissions) {
      assert.equal(Properties['Principal'], 'apigateway.amazonaws.com');
      assert.match(stacks.say(Properties['SourceArn']), /\/v1\//);
    }
  });

  test(`${profile}: requests are throttled`, () => {
    const [stage] = stacks.all('AWS::ApiGatewayV2::Stage').values();
    assert.ok(stage?.Properties['DefaultRouteSettings'].ThrottlingRateLimit > 0);
    assert.ok(stage?.Properties['DefaultRouteSettings'].ThrottlingBurstLimit > 0);
    assert.ok(stage?.Properties['RouteSettings'][WEBHOOKS].ThrottlingRateLimit > 0);
    assert.ok(stage?.Properties['RouteSettings'][WEBHOOKS].ThrottlingBurstLimit > 0);
  });

  test(`${profile}: the access log holds nothing that may carry a credential`, () => {
    const [stage] = stacks.all('AWS::ApiGatewayV2::Stage').values();
    const format: string = stage?.Properties['AccessLogSettings'].Format;
    for (const field of ['time', 'request', 'route', 'status', 'duration_ms']) assert.ok(field in JSON.parse(format));
    assert.doesNotMatch(format, /header|authorizer|query|\$context\.path|body/i);
  });

  test(`${profile}: the stack says where the API is`, () => {
    assert.ok(stacks.edge.Outputs?.['ApiUrl']);
  });
}

test('CloudFront stands in front only where a web ACL is given', () => {
  assert.equal(deployment('production').all('AWS::CloudFront::Distribution').size, 0);
  const arn = 'arn:aws:wafv2:us-east-1:123456789012:global/webacl/fluxnex/1';
  const [distribution] = deployment('production', { webAclArn: arn }).all('AWS::CloudFront::Distribution').values();
  assert.equal(distribution?.Properties['DistributionConfig'].WebACLId, arn);
  assert.equal(distribution?.Properties['DistributionConfig'].DefaultCacheBehavior.ViewerProtocolPolicy, 'https-only');
});

test('senders may call another host than the API, and ingest is told which', () => {
  const ingest = (context: Record<string, string>): unknown =>
    deployment('production', context).functions().get('ingest')?.Properties['Environment'].Variables['PUBLIC_ORIGIN'];
  assert.equal(ingest({}), undefined);
  assert.equal(ingest({ publicOrigin: 'https://hooks.example.com' }), 'https://hooks.example.com');
  for (const wrong of ['hooks.example.com', 'http://hooks.example.com', 'https://hooks.example.com/', 'https://a/b']) {
    assert.throws(() => deployment('production', { publicOrigin: wrong }), /publicOrigin must be https/, wrong);
  }
});
