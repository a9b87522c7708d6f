import { LIFETIME_FIELDS, type VaultType } from './vault-type.ts';

/** AWS Secrets Manager. Source of the fields: Kong's aws vault; allowed_role_arns is ours (CONTRACT.md §5). */
export const aws: VaultType = {
  name: 'aws',
  description: 'AWS Secrets Manager',
  fields: [
    {
      name: 'region',
      type: 'string',
      identity: true,
      match: /^[a-z]{2,}(-[a-z0-9]+)+$/,
      description: 'The AWS region, such as us-east-1.',
    },
    {
      name: 'endpoint_url',
      type: 'string',
      identity: true,
      format: 'url',
      description: "Where Secrets Manager answers, if not at AWS's own address for the region; may have a path.",
    },
    {
      name: 'assume_role_arn',
      type: 'string',
      identity: true,
      match: /^arn:[\w-]+:iam::\d{12}:role\/.+$/,
      description: 'The role to assume, on top of whatever credentials the data plane has.',
    },
    {
      name: 'role_session_name',
      type: 'string',
      identity: true,
      default: 'KongVault',
      match: /^[\w+=,.@-]{2,64}$/,
      description: 'The session name of assume_role_arn.',
    },
    {
      name: 'sts_endpoint_url',
      type: 'string',
      identity: true,
      format: 'url',
      description: "Where STS answers, if not at AWS's own address.",
    },
    ...LIFETIME_FIELDS,
    {
      name: 'allowed_role_arns',
      type: 'array',
      default: [],
      match: /^arn:[\w-]+:iam::\d{12}:role\/.+$/,
      description: 'The roles that a roleArn parameter of /secretsmanager/get may name. Empty: none.',
    },
  ],
  referenceOptions: ['region', 'ttl', 'neg_ttl', 'resurrect_ttl', 'version_stage', 'version_id', 'json_pointer'],
};
