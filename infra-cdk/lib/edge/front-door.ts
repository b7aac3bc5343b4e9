// CloudFront with a WAF in front of the HTTP API, which can have none of its own.
import { Fn, aws_cloudfront as cloudfront, aws_cloudfront_origins as origins } from 'aws-cdk-lib';
import { Construct } from 'constructs';
import type { Api } from './api';

export interface FrontDoorProps {
  readonly api: Api;
  /** A web ACL of scope CLOUDFRONT (they live in us-east-1, whatever the region of this stack). */
  readonly webAclArn: string;
}

export class FrontDoor extends Construct {
  readonly url: string;

  constructor(scope: Construct, id: string, props: FrontDoorProps) {
    super(scope, id);
    const host = Fn.select(2, Fn.split('/', props.api.url));
    const distribution = new cloudfront.Distribution(this, 'Distribution', {
      comment: 'FluxNex webhooks',
      webAclId: props.webAclArn,
      defaultBehavior: {
        origin: new origins.HttpOrigin(host, { protocolPolicy: cloudfront.OriginProtocolPolicy.HTTPS_ONLY }),
        allowedMethods: cloudfront.AllowedMethods.ALLOW_ALL,
        cachePolicy: cloudfront.CachePolicy.CACHING_DISABLED,
        // Everything the sender signed reaches `ingest`; API Gateway needs its own host name.
        originRequestPolicy: cloudfront.OriginRequestPolicy.ALL_VIEWER_EXCEPT_HOST_HEADER,
        viewerProtocolPolicy: cloudfront.ViewerProtocolPolicy.HTTPS_ONLY,
      },
    });
    this.url = `https://${distribution.distributionDomainName}`;
  }
}
