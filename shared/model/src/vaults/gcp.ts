import { gcpDoubts, gcpMissing } from './gcp-findings.ts';
import { gcpUses } from './gcp-uses.ts';
import { COMMON_FIELDS, type VaultType } from './vault-type.ts';

/**
 * Google Secret Manager. Source of the fields: Kong's gcp vault; endpoint_url and service_account are ours.
 *
 * Its destination is its endpoint. The key in service_account is never sent: it signs requests to the token_uri that stands
 * beside it in the same JSON.
 */
export const gcp: VaultType = {
  name: 'gcp',
  description: 'Google Secret Manager',
  ambient: true,
  credentials: 'Google credentials',
  hasTags: true,
  fields: [
    {
      name: 'project_id',
      type: 'string',
      identity: true,
      // It becomes part of a URL's path. Ids of today are lower-case; old ones may have a domain (example.com:id) and capitals.
      match: /^[A-Za-z0-9](?:[A-Za-z0-9.:-]{0,98}[A-Za-z0-9])?$/,
      allowed: "a project's id or number, such as my-project",
      description: "The Google Cloud project. Without it that of the data plane's credentials.",
    },
    {
      name: 'endpoint_url',
      type: 'string',
      identity: true,
      destination: true,
      format: 'url',
      description:
        "Where Secret Manager answers, if not at Google's own address; may have a path. (In a vault of the control plane, one that is not below googleapis.com needs a grant in upstream_policy of the data plane.)",
    },
    {
      name: 'service_account',
      type: 'string',
      sensitive: true,
      description:
        "The JSON of a service account's key, in place of the credentials that the data plane has: GCP_SERVICE_ACCOUNT, " +
        "GOOGLE_APPLICATION_CREDENTIALS or the metadata server. (Not Kong's.)",
    },
    ...COMMON_FIELDS,
  ],
  referenceOptions: ['project_id', 'ttl', 'neg_ttl', 'resurrect_ttl', 'base64_decode', 'json_pointer'],
  missing: gcpMissing,
  doubts: gcpDoubts,
  uses: gcpUses,
  versionOf({ version }) {
    return version === undefined ? {} : { id: String(version) };
  },
};
