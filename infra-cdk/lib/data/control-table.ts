// The control table: published settings, progress of polls, "this tenant has work" markers, and leases.
import { RemovalPolicy, aws_dynamodb as dynamodb, aws_iam as iam } from 'aws-cdk-lib';
import { Construct } from 'constructs';
import type { Use } from '../functions/use';
import { physicalName } from '../names';
import type { Profile } from '../profiles';

export class ControlTable extends Construct {
  readonly table: dynamodb.Table;

  constructor(scope: Construct, id: string, profile: Profile) {
    super(scope, id);
    this.table = new dynamodb.Table(this, 'Table', {
      tableName: physicalName(profile.name, 'control'),
      partitionKey: { name: 'pk', type: dynamodb.AttributeType.STRING },
      sortKey: { name: 'sk', type: dynamodb.AttributeType.STRING },
      billingMode: dynamodb.BillingMode.PAY_PER_REQUEST,
      timeToLiveAttribute: 'expires_at',
      deletionProtection: profile.protects,
      removalPolicy: profile.protects ? RemovalPolicy.RETAIN : RemovalPolicy.DESTROY,
      pointInTimeRecoverySpecification: { pointInTimeRecoveryEnabled: profile.protects },
    });
  }

  /** The function reads single items. */
  reads(): Use {
    return this.use(['dynamodb:GetItem']);
  }

  /** The function reads single items, and replaces them: settings of polls, how far they are, and leases. */
  keepsProgress(): Use {
    return this.use(['dynamodb:GetItem', 'dynamodb:PutItem']);
  }

  /** The function takes and releases leases: it renews access tokens. */
  leases(): Use {
    return this.use(['dynamodb:PutItem']);
  }

  /** The function reads and writes items. */
  writes(): Use {
    return this.use([
      'dynamodb:GetItem',
      'dynamodb:PutItem',
      'dynamodb:UpdateItem',
      'dynamodb:DeleteItem',
      'dynamodb:Query',
    ]);
  }

  private use(actions: string[]): Use {
    return {
      environment: { CONTROL_TABLE: this.table.tableName },
      statements: [new iam.PolicyStatement({ actions, resources: [this.table.tableArn] })],
    };
  }
}
