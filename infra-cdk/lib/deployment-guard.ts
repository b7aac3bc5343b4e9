// Templates that are good to look at but not to deploy.
import { Annotations, CfnParameter, CfnRule, Fn, type Stack } from 'aws-cdk-lib';

export interface Refusal {
  /** What the CLI says is missing a value: a name that says what is wrong. */
  readonly parameter: string;
  /** What is wrong, and the way to put it right. */
  readonly reason: string;
}

/**
 * Lets the stacks be synthesised with a warning, and not be deployed: a parameter without default stops `cdk deploy`
 * before it changes anything. An error annotation would stop `cdk synth` as well, which must work with nothing built.
 */
export function refuseDeployment(stacks: readonly [Stack, ...Stack[]], refusal: Refusal): void {
  Annotations.of(stacks[0]).addWarningV2(`fluxnex:${refusal.parameter}`, `Not deployable: ${refusal.reason}`);
  for (const stack of stacks) {
    const parameter = new CfnParameter(stack, refusal.parameter, {
      type: 'String',
      description: `Refuses the deployment: ${refusal.reason}`,
    });
    new CfnRule(stack, `${refusal.parameter}Rule`, {
      assertions: [
        { assert: Fn.conditionEquals(parameter.valueAsString, 'deploy-anyway'), assertDescription: refusal.reason },
      ],
    });
  }
}
