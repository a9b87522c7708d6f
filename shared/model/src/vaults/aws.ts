import { VaultplaneError } from '../errors/vaultplane-error.ts';
import { regionWarning } from './aws-regions.ts';
import { awsUses } from './aws-uses.ts';
import { COMMON_FIELDS, type VaultType } from './vault-type.ts';

/** A difference from Kong, where the fields with an address are. */
const NEEDS_GRANT =
  "(Unlike Kong: in a vault of the control plane, one that is neither AWS's own nor loopback needs a grant in upstream_policy of the data plane.)";
const ROLE_ARN = { match: /^arn:[\w-]+:iam::\d{12}:role\/.+$/, allowed: "a role's ARN" };

/**
 * AWS Secrets Manager. Source of the fields: Kong's aws vault; allowed_role_arns is ours (specification.md §5).
 *
 * Its destination is its two endpoints. A region only chooses among AWS's own addresses.
 */
export const aws: VaultType = {
  name: 'aws',
  description: 'AWS Secrets Manager',
  ambient: true,
  credentials: 'AWS credentials',
  hasTags: true,
  fields: [
    {
      name: 'region',
      type: 'string',
      identity: true,
      fleetDefault: true,
      // The region becomes part of a host name: nothing but a region's own form may get there.
      match: /^[a-z]{2,}(-[a-z0-9]+)+$/,
      allowed: 'a region such as eu-central-1',
      description: 'The AWS region, such as us-east-1.',
    },
    {
      name: 'endpoint_url',
      type: 'string',
      identity: true,
      destination: true,
      format: 'url',
      description: `Where Secrets Manager answers, if not at AWS's own address for the region; may have a path. ${NEEDS_GRANT}`,
    },
    {
      name: 'assume_role_arn',
      type: 'string',
      identity: true,
      ...ROLE_ARN,
      description:
        'The role to assume, on top of whatever credentials the data plane has; `roles` in upstream_policy of the data plane may limit it.',
    },
    {
      name: 'role_session_name',
      type: 'string',
      identity: true,
      default: 'KongVault',
      match: /^[\w+=,.@-]{2,64}$/,
      allowed: '2 to 64 of A-Z a-z 0-9 _ + = , . @ -',
      description: 'The session name of assume_role_arn.',
    },
    {
      name: 'sts_endpoint_url',
      type: 'string',
      identity: true,
      destination: true,
      format: 'url',
      description: `Where STS answers, if not at AWS's own address. ${NEEDS_GRANT}`,
    },
    ...COMMON_FIELDS,
    {
      name: 'allowed_role_arns',
      type: 'array',
      default: [],
      grants: true,
      ...ROLE_ARN,
      description: 'The roles that a roleArn parameter of /secretsmanager/get may name. Empty: none.',
    },
  ],
  referenceOptions: [
    'region',
    'ttl',
    'neg_ttl',
    'resurrect_ttl',
    'base64_decode',
    'version_stage',
    'version_id',
    'json_pointer',
  ],
  doubts({ region }, env = {}) {
    const from = region ? 'config.region' : ['AWS_REGION', 'AWS_DEFAULT_REGION'].find((name) => env[name]);
    const warning = from && regionWarning(region ?? env[from]);
    return warning ? [`${from}: ${warning}`] : [];
  },
  uses: awsUses,
  versionOf({ version = 1, options }) {
    const { version_id: id, version_stage: stage } = options ?? {};
    if (id !== undefined) return stage === undefined ? { id } : { id, stage };
    if (stage !== undefined) return { stage };
    if (version > 2) {
      throw new VaultplaneError(
        'unsupported_version',
        `an aws vault has version 1 (AWSCURRENT) and 2 (AWSPREVIOUS), not ${version}; version_id or version_stage name others`,
      );
    }
    return { stage: version === 1 ? 'AWSCURRENT' : 'AWSPREVIOUS' };
  },
  referenceVersion({ id, stage }) {
    const isCurrent = id === undefined && stage === 'AWSCURRENT';
    return {
      options: {
        ...(id !== undefined && { version_id: id }),
        ...(stage !== undefined && !isCurrent && { version_stage: stage }),
      },
    };
  },
};
