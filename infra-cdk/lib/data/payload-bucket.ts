// Payloads that are too large for a message: the message names them, this bucket holds them.
import { Duration, RemovalPolicy, aws_iam as iam, aws_s3 as s3 } from 'aws-cdk-lib';
import { Construct } from 'constructs';
import type { Use } from '../functions/use';
import type { Profile } from '../profiles';

export class PayloadBucket extends Construct {
  readonly bucket: s3.Bucket;

  constructor(scope: Construct, id: string, profile: Profile) {
    super(scope, id);
    this.bucket = new s3.Bucket(this, 'Bucket', {
      blockPublicAccess: s3.BlockPublicAccess.BLOCK_ALL,
      encryption: s3.BucketEncryption.S3_MANAGED,
      enforceSSL: profile.payloads.requiresTls,
      lifecycleRules: [
        {
          id: 'expire-payloads',
          expiration: Duration.days(profile.payloads.retentionDays),
          abortIncompleteMultipartUploadAfter: Duration.days(1),
        },
      ],
      removalPolicy: profile.protects ? RemovalPolicy.RETAIN : RemovalPolicy.DESTROY,
    });
  }

  /** The function stores payloads. */
  stores(): Use {
    return this.use(this.may('s3:PutObject', this.bucket.arnForObjects('*')));
  }

  /** The function reads payloads. */
  loads(): Use {
    // Without the right to list, S3 answers 403 for an object that is not there.
    return this.use(
      this.may('s3:GetObject', this.bucket.arnForObjects('*')),
      this.may('s3:ListBucket', this.bucket.bucketArn),
    );
  }

  private may(action: string, resource: string): iam.PolicyStatement {
    return new iam.PolicyStatement({ actions: [action], resources: [resource] });
  }

  private use(...statements: iam.PolicyStatement[]): Use {
    return { environment: { PAYLOAD_BUCKET: this.bucket.bucketName }, statements };
  }
}
