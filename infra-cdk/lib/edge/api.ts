// The HTTP API: routes to functions, with throttling and access logs.
import {
  RemovalPolicy,
  aws_apigatewayv2 as apigateway,
  aws_apigatewayv2_authorizers as authorizers,
  aws_apigatewayv2_integrations as integrations,
  aws_apigateway as log_format,
  aws_logs as logs,
} from 'aws-cdk-lib';
import { Construct } from 'constructs';
import type { StageFunction } from '../functions/stage-function';
import { pascalCase, physicalName } from '../names';
import type { Profile, Throttle } from '../profiles';

export interface Route {
  /** Method and path, as API Gateway writes them. */
  readonly key: string;
  readonly function: StageFunction;
  /** `open`: anyone may call, the function decides. `iam`: only AWS identities that are allowed to. */
  readonly access: 'open' | 'iam';
  readonly throttle?: Throttle;
}

export interface ApiProps {
  readonly profile: Profile;
  readonly routes: readonly Route[];
}

export class Api extends Construct {
  readonly url: string;

  constructor(scope: Construct, id: string, props: ApiProps) {
    super(scope, id);
    const { profile, routes } = props;
    const api = new apigateway.HttpApi(this, 'HttpApi', {
      apiName: physicalName(profile.name, 'api'),
      description: `FluxNex ${profile.name}`,
      createDefaultStage: false,
    });
    this.url = api.apiEndpoint;
    const made = routes.map((route) => this.route(api, route));
    const stage = new apigateway.HttpStage(this, 'Stage', {
      httpApi: api,
      stageName: '$default',
      autoDeploy: true,
      throttle: { rateLimit: profile.edge.api.ratePerSecond, burstLimit: profile.edge.api.burst },
      accessLogSettings: {
        destination: new apigateway.LogGroupLogDestination(this.accessLog(profile)),
        format: accessLogFormat(),
      },
    });
    // A stage may name only routes that exist.
    stage.node.addDependency(...made);
    throttleRoutes(stage, routes);
  }

  private route(api: apigateway.HttpApi, route: Route): apigateway.HttpRoute {
    const [method, path] = route.key.split(' ') as [keyof typeof apigateway.HttpMethod, string];
    const words = path.split('/').map((part) => part.replaceAll(/[{}]/g, ''));
    const id = pascalCase([method.toLowerCase(), ...words.filter((word) => word !== '')].join('-'));
    return new apigateway.HttpRoute(this, id, {
      httpApi: api,
      routeKey: apigateway.HttpRouteKey.with(path, apigateway.HttpMethod[method]),
      integration: new integrations.HttpLambdaIntegration(route.function.node.id, route.function.function),
      authorizer: route.access === 'iam' ? new authorizers.HttpIamAuthorizer() : new apigateway.HttpNoneAuthorizer(),
    });
  }

  private accessLog(profile: Profile): logs.LogGroup {
    return new logs.LogGroup(this, 'AccessLog', {
      // AWS keeps one resource policy for all groups of this prefix; else accounts run into its size limit.
      logGroupName: `/aws/vendedlogs/${physicalName(profile.name, 'api')}`,
      retention: profile.functions.logRetention,
      removalPolicy: profile.protects ? RemovalPolicy.RETAIN : RemovalPolicy.DESTROY,
    });
  }
}

// No header, query string or body: any of them may carry a credential.
function accessLogFormat(): log_format.AccessLogFormat {
  return log_format.AccessLogFormat.custom(
    JSON.stringify({
      time: '$context.requestTime',
      request: '$context.requestId',
      route: '$context.routeKey',
      status: '$context.status',
      address: '$context.identity.sourceIp',
      response_bytes: '$context.responseLength',
      duration_ms: '$context.responseLatency',
      function_duration_ms: '$context.integrationLatency',
      error: '$context.error.responseType',
      function_error: '$context.integrationErrorMessage',
    }),
  );
}

function throttleRoutes(stage: apigateway.HttpStage, routes: readonly Route[]): void {
  const settings = routes.flatMap(({ key, throttle }) =>
    throttle === undefined
      ? []
      : [[key, { ThrottlingRateLimit: throttle.ratePerSecond, ThrottlingBurstLimit: throttle.burst }] as const],
  );
  if (settings.length === 0) return;
  const resource = stage.node.defaultChild as apigateway.CfnStage;
  // A free-form object in CloudFormation, so its inner names are not translated.
  resource.routeSettings = Object.fromEntries(settings);
}
