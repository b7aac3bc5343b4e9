// The network of the database and of the functions that use it. AWS profiles only.
import { aws_ec2 as ec2 } from 'aws-cdk-lib';
import { Construct } from 'constructs';
import type { Placement } from '../functions/use';
import { physicalName } from '../names';
import type { Network as NetworkSettings, Profile } from '../profiles';

export interface NetworkProps {
  readonly profile: Profile;
  readonly settings: NetworkSettings;
}

export class Network extends Construct {
  readonly vpc: ec2.Vpc;
  /** Where functions go: private, with a way out to targets. */
  readonly functions: Placement;
  /** Where the database and its proxy go: no way out. */
  readonly databaseSubnets: ec2.SubnetSelection = { subnetType: ec2.SubnetType.PRIVATE_ISOLATED };

  constructor(scope: Construct, id: string, props: NetworkProps) {
    super(scope, id);
    const { egress, interfaceEndpoints } = props.settings;
    const instance = egress === 'nat-instance' ? natInstance() : undefined;
    this.vpc = new ec2.Vpc(this, 'Vpc', {
      vpcName: physicalName(props.profile.name, 'network'),
      ipAddresses: ec2.IpAddresses.cidr('10.40.0.0/16'),
      // Two zones whatever the region: templates are made without asking an account.
      maxAzs: 2,
      natGateways: egress === 'nat-gateway-per-zone' ? 2 : 1,
      natGatewayProvider: instance ?? ec2.NatProvider.gateway(),
      subnetConfiguration: [
        { name: 'public', subnetType: ec2.SubnetType.PUBLIC, cidrMask: 24 },
        { name: 'functions', subnetType: ec2.SubnetType.PRIVATE_WITH_EGRESS, cidrMask: 20 },
        { name: 'database', subnetType: ec2.SubnetType.PRIVATE_ISOLATED, cidrMask: 24 },
      ],
      // Free of charge, and it keeps payloads and the control table off the NAT.
      gatewayEndpoints: {
        S3: { service: ec2.GatewayVpcEndpointAwsService.S3 },
        DynamoDb: { service: ec2.GatewayVpcEndpointAwsService.DYNAMODB },
      },
    });
    const subnets: ec2.SubnetSelection = { subnetType: ec2.SubnetType.PRIVATE_WITH_EGRESS };
    const securityGroup = new ec2.SecurityGroup(this, 'Functions', {
      vpc: this.vpc,
      description: 'FluxNex functions that use the database',
      // Targets are anywhere; the HTTP client of the functions refuses private addresses.
      allowAllOutbound: true,
    });
    instance?.connections.allowFrom(securityGroup, ec2.Port.allTraffic());
    this.functions = { vpc: this.vpc, subnets, securityGroup };
    if (interfaceEndpoints) this.addInterfaceEndpoints();
  }

  private addInterfaceEndpoints(): void {
    const services = {
      Sqs: ec2.InterfaceVpcEndpointAwsService.SQS,
      SecretsManager: ec2.InterfaceVpcEndpointAwsService.SECRETS_MANAGER,
    };
    for (const [id, service] of Object.entries(services)) {
      const endpoint = this.vpc.addInterfaceEndpoint(id, {
        service,
        subnets: this.functions.subnets,
        open: false,
      });
      endpoint.connections.allowDefaultPortFrom(this.functions.securityGroup);
    }
  }
}

function natInstance(): ec2.NatInstanceProviderV2 {
  return ec2.NatProvider.instanceV2({
    instanceType: ec2.InstanceType.of(ec2.InstanceClass.T4G, ec2.InstanceSize.NANO),
    machineImage: ec2.MachineImage.latestAmazonLinux2023({ cpuType: ec2.AmazonLinuxCpuType.ARM_64 }),
    defaultAllowedTraffic: ec2.NatTrafficDirection.OUTBOUND_ONLY,
  });
}
