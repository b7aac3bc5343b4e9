// The behaviours of the CDK that a new app is recommended to have, in the version that package.json pins.
import recommended from 'aws-cdk-lib/recommended-feature-flags.json';

export const FEATURE_FLAGS: Readonly<Record<string, unknown>> = {
  ...recommended,
  // Its custom resource is a Node.js function; every function here is one of ours.
  '@aws-cdk/aws-ec2:restrictDefaultSecurityGroup': false,
  // CloudFormation itself then refuses to delete data that the pipeline still uses.
  '@aws-cdk/core:defaultCrossStackReferences': 'strong',
};
