// What a function is wired to. One `Use` brings the environment variables and the permissions together,
// so that no function can be told of a thing it may not use, or be allowed a thing it is not told of.
import type { Duration, aws_ec2 as ec2, aws_iam as iam, aws_lambda as lambda, aws_sqs as sqs } from 'aws-cdk-lib';

export interface Use {
  readonly environment?: Readonly<Record<string, string>>;
  readonly statements?: readonly iam.PolicyStatement[];
  /** Queues that invoke the function. */
  readonly sources?: readonly Source[];
  readonly placement?: Placement;
  readonly layers?: readonly lambda.ILayerVersion[];
}

export interface Source {
  /** Names the source in the template. */
  readonly id: string;
  readonly queue: sqs.IQueue;
  readonly batchSize: number;
  readonly window?: Duration;
  readonly maximumConcurrency?: number;
}

/** The network that a function must be in. */
export interface Placement {
  readonly vpc: ec2.IVpc;
  readonly subnets: ec2.SubnetSelection;
  readonly securityGroup: ec2.ISecurityGroup;
}
