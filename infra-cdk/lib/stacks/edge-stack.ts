// The front door: which route reaches which function.
import { CfnOutput, Stack, type StackProps } from 'aws-cdk-lib';
import type { Construct } from 'constructs';
import { FrontDoor } from '../edge/front-door';
import { Api, type Route } from '../edge/api';
import type { Options } from '../options';
import type { PipelineStack } from './pipeline-stack';

/** What the management API does, for AWS identities that may call it. */
const MANAGEMENT = [
  'GET /v1/openapi.json',
  'GET /v1/connectors/{connector}',
  'GET /v1/tenants/{tenant}/bundle',
  'PUT /v1/tenants/{tenant}/bundle',
  'GET /v1/tenants/{tenant}/bundle/versions',
  'GET /v1/tenants/{tenant}/bundle/versions/{version}',
  'POST /v1/tenants/{tenant}/bundle/sample',
  'GET /v1/tenants/{tenant}/connections/{connection}/record',
  'GET /v1/tenants/{tenant}/connections/{connection}/secret',
  'PUT /v1/tenants/{tenant}/connections/{connection}/secret',
  'PATCH /v1/tenants/{tenant}/connections/{connection}/secret',
  'DELETE /v1/tenants/{tenant}/connections/{connection}/secret',
  'POST /v1/tenants/{tenant}/connections/{connection}/consent',
  'POST /v1/tenants/{tenant}/connections/{connection}/consent/code',
  'POST /v1/tenants/{tenant}/connections/{connection}/test',
];

export class EdgeStack extends Stack {
  constructor(scope: Construct, id: string, options: Options, pipeline: PipelineStack, props: StackProps) {
    super(scope, id, props);
    const { profile, webAclArn } = options;
    const api = new Api(this, 'Api', {
      profile,
      routes: [
        {
          key: 'POST /v1/webhooks/{tenant}/{connection}',
          function: pipeline.ingest,
          // Senders sign their webhooks in schemes of their own; `ingest` verifies them.
          access: 'open',
          throttle: profile.edge.webhooks,
        },
        { key: 'GET /v1/health/live', function: pipeline.api, access: 'open' },
        { key: 'GET /v1/health/ready', function: pipeline.api, access: 'open' },
        ...MANAGEMENT.map((key): Route => ({ key, function: pipeline.api, access: 'iam' })),
      ],
    });
    new CfnOutput(this, 'ApiUrl', { value: api.url, description: 'The HTTP API' });

    if (webAclArn !== undefined) {
      const door = new FrontDoor(this, 'FrontDoor', { api, webAclArn });
      new CfnOutput(this, 'FrontDoorUrl', { value: door.url, description: 'The HTTP API behind CloudFront and WAF' });
    }
  }
}
