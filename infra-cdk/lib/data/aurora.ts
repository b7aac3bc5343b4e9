// Aurora Serverless v2 for PostgreSQL, with RDS Proxy where the profile asks for it.
import {
  ArnFormat,
  Duration,
  Fn,
  RemovalPolicy,
  Stack,
  aws_ec2 as ec2,
  aws_iam as iam,
  aws_rds as rds,
  aws_secretsmanager as secretsmanager,
} from 'aws-cdk-lib';
import { Construct } from 'constructs';
import type { Use } from '../functions/use';
import { physicalName, secretName } from '../names';
import type { Options } from '../options';
import type { AuroraDatabase } from '../profiles';
import { DatabaseCertificates } from './certificates';
import type { Database } from './database';
import { Network } from './network';

const USER = 'fluxnex';
const DATABASE = 'fluxnex';

export interface AuroraProps {
  readonly options: Options;
  readonly settings: AuroraDatabase;
}

/** How functions log in: with a token at the proxy, or with the password at Aurora itself. */
type Login =
  | { readonly by: 'iam'; readonly proxy: rds.DatabaseProxy }
  | { readonly by: 'password'; readonly certificates: DatabaseCertificates };

export class Aurora extends Construct implements Database {
  private readonly network: Network;
  private readonly cluster: rds.DatabaseCluster;
  private readonly login: Login;
  private readonly removalPolicy: RemovalPolicy;

  constructor(
    scope: Construct,
    id: string,
    private readonly props: AuroraProps,
  ) {
    super(scope, id);
    const { options, settings } = props;
    this.removalPolicy = options.profile.protects ? RemovalPolicy.RETAIN : RemovalPolicy.DESTROY;
    this.network = new Network(this, 'Network', { profile: options.profile, settings: settings.network });
    this.cluster = this.makeCluster();
    if (settings.proxy) {
      this.login = { by: 'iam', proxy: this.makeProxy() };
    } else {
      this.cluster.connections.allowDefaultPortFrom(this.network.functions.securityGroup);
      const certificates = new DatabaseCertificates(this, 'Certificates', options.databaseCertificates);
      this.login = { by: 'password', certificates };
    }
  }

  connects(): Use {
    const secret = this.secret();
    const environment = { DATABASE_SECRET_ARN: secret.secretArn };
    const readsSecret = new iam.PolicyStatement({
      actions: ['secretsmanager:GetSecretValue'],
      resources: [secret.secretArn],
    });
    const placement = this.network.functions;
    if (this.login.by === 'password') {
      const trust = this.login.certificates.trusted();
      return {
        environment: { ...environment, DATABASE_AUTH: 'password', ...trust.environment },
        statements: [readsSecret],
        layers: trust.layers,
        placement,
      };
    }
    const { proxy } = this.login;
    const logsIn = new iam.PolicyStatement({ actions: ['rds-db:connect'], resources: [this.proxyUserArn(proxy)] });
    return {
      environment: { ...environment, DATABASE_AUTH: 'iam', DATABASE_HOST: proxy.endpoint },
      statements: [readsSecret, logsIn],
      placement,
    };
  }

  callsOut(): Use {
    return { placement: this.network.functions };
  }

  private makeCluster(): rds.DatabaseCluster {
    const { options, settings } = this.props;
    const { profile } = options;
    const credentials = new rds.DatabaseSecret(this, 'Credentials', {
      username: USER,
      secretName: secretName(profile.name, 'database'),
    });
    credentials.applyRemovalPolicy(this.removalPolicy);
    const engine = rds.DatabaseClusterEngine.auroraPostgres({ version: rds.AuroraPostgresEngineVersion.VER_17_9 });
    return new rds.DatabaseCluster(this, 'Cluster', {
      clusterIdentifier: physicalName(profile.name, 'database'),
      engine,
      writer: rds.ClusterInstance.serverlessV2('writer'),
      readers: settings.multiZone ? [rds.ClusterInstance.serverlessV2('standby', { scaleWithWriter: true })] : [],
      serverlessV2MinCapacity: settings.minimumCapacity,
      serverlessV2MaxCapacity: settings.maximumCapacity,
      serverlessV2AutoPauseDuration: settings.minimumCapacity === 0 ? Duration.minutes(5) : undefined,
      credentials: rds.Credentials.fromSecret(credentials),
      defaultDatabaseName: DATABASE,
      parameterGroup: new rds.ParameterGroup(this, 'Parameters', {
        engine,
        description: `FluxNex ${profile.name}: TLS for every session`,
        parameters: { 'rds.force_ssl': '1' },
      }),
      vpc: this.network.vpc,
      vpcSubnets: this.network.databaseSubnets,
      storageEncrypted: true,
      backup: { retention: Duration.days(settings.backupDays) },
      copyTagsToSnapshot: true,
      deletionProtection: profile.protects,
      removalPolicy: this.removalPolicy,
    });
  }

  private makeProxy(): rds.DatabaseProxy {
    const { profile } = this.props.options;
    const securityGroup = new ec2.SecurityGroup(this, 'ProxyAccess', {
      vpc: this.network.vpc,
      description: 'FluxNex database proxy',
      allowAllOutbound: false,
    });
    const proxy = new rds.DatabaseProxy(this, 'Proxy', {
      dbProxyName: physicalName(profile.name, 'database'),
      proxyTarget: rds.ProxyTarget.fromCluster(this.cluster),
      secrets: [this.secret()],
      vpc: this.network.vpc,
      vpcSubnets: this.network.databaseSubnets,
      securityGroups: [securityGroup],
      iamAuth: true,
      requireTLS: true,
      // A function that cannot get a connection fails while there is time left to report its batch.
      borrowTimeout: Duration.seconds(10),
    });
    proxy.connections.allowFrom(this.network.functions.securityGroup, ec2.Port.tcp(5432));
    return proxy;
  }

  private secret(): secretsmanager.ISecret {
    const { secret } = this.cluster;
    if (secret === undefined) throw new Error('The cluster was made without a generated secret');
    return secret;
  }

  private proxyUserArn(proxy: rds.DatabaseProxy): string {
    // The proxy's resource id (`prx-…`) is to be had only from the end of its ARN.
    const resourceId = Fn.select(6, Fn.split(':', proxy.dbProxyArn));
    return Stack.of(this).formatArn({
      service: 'rds-db',
      resource: 'dbuser',
      resourceName: `${resourceId}/${USER}`,
      arnFormat: ArnFormat.COLON_RESOURCE_NAME,
    });
  }
}
