// The clock of the pipeline.
import { Duration, aws_events as events, aws_events_targets as targets } from 'aws-cdk-lib';
import type { Construct } from 'constructs';
import type { StageFunction } from '../functions/stage-function';
import { physicalName } from '../names';
import type { Profile } from '../profiles';

// The next minute makes up for a lost one; late repetitions would only pile up.
const ONCE = { retryAttempts: 0, maxEventAge: Duration.minutes(1) };

/** Invokes `sweep` each minute, which wakes what is due and re-drives what is stranded. */
export function everyMinute(scope: Construct, id: string, profile: Profile, sweep: StageFunction): events.Rule {
  sweep.function.configureAsyncInvoke(ONCE);
  return new events.Rule(scope, id, {
    ruleName: physicalName(profile.name, 'sweep'),
    description: 'Wakes what is due and re-drives what is stranded',
    schedule: events.Schedule.rate(Duration.minutes(1)),
    targets: [new targets.LambdaFunction(sweep.function, ONCE)],
  });
}
