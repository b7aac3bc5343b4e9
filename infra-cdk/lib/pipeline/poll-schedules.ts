// When sources are polled. The schedules themselves come and go with the tenants' connections: `api` makes them.
import { ArnFormat, Stack, aws_iam as iam, aws_scheduler as scheduler } from 'aws-cdk-lib';
import { Construct } from 'constructs';
import type { Use } from '../functions/use';
import { scheduleGroupName } from '../names';
import type { Profile } from '../profiles';
import type { StageQueue } from '../queues/stage-queue';

export class PollSchedules extends Construct {
  private readonly group: scheduler.CfnScheduleGroup;
  private readonly role: iam.Role;

  /** Each schedule puts its message into the queue. */
  constructor(
    scope: Construct,
    id: string,
    private readonly profile: Profile,
    private readonly queue: StageQueue,
  ) {
    super(scope, id);
    const name = scheduleGroupName(profile.name);
    this.group = new scheduler.CfnScheduleGroup(this, 'Group', { name });
    this.role = new iam.Role(this, 'Role', {
      description: 'EventBridge Scheduler asks for polls',
      // The service takes it on for this group only: else a schedule of another account could use it.
      assumedBy: new iam.ServicePrincipal('scheduler.amazonaws.com', {
        conditions: {
          StringEquals: { 'aws:SourceAccount': Stack.of(this).account },
          ArnEquals: { 'aws:SourceArn': this.arn('schedule-group', name) },
        },
      }),
      inlinePolicies: { asks: new iam.PolicyDocument({ statements: [queue.maySend()] }) },
    });
  }

  /** The function makes, changes, lists and removes schedules of the group, which send with the group's role. */
  manages(): Use {
    const { permittedGroup, listsOn } = this.profile.schedules;
    const group = permittedGroup === 'own' ? scheduleGroupName(this.profile.name) : permittedGroup;
    return {
      environment: {
        SCHEDULE_GROUP: this.group.ref,
        SCHEDULE_ROLE_ARN: this.role.roleArn,
        FETCH_REQUEST_ARN: this.queue.queue.queueArn,
      },
      statements: [
        new iam.PolicyStatement({
          actions: [
            'scheduler:CreateSchedule',
            'scheduler:UpdateSchedule',
            'scheduler:GetSchedule',
            'scheduler:DeleteSchedule',
          ],
          // AWS knows permissions for groups, not for single schedules of one.
          resources: [this.arn('schedule', `${group}/*`)],
        }),
        new iam.PolicyStatement({
          actions: ['scheduler:ListSchedules'],
          // AWS asks for this whatever group is listed.
          resources: [listsOn === 'schedules' ? this.arn('schedule', '*/*') : '*'],
        }),
        new iam.PolicyStatement({
          actions: ['iam:PassRole'],
          resources: [this.role.roleArn],
          conditions: { StringEquals: { 'iam:PassedToService': 'scheduler.amazonaws.com' } },
        }),
      ],
    };
  }

  private arn(resource: 'schedule' | 'schedule-group', resourceName: string): string {
    return Stack.of(this).formatArn({
      service: 'scheduler',
      resource,
      resourceName,
      arnFormat: ArnFormat.SLASH_RESOURCE_NAME,
    });
  }
}
