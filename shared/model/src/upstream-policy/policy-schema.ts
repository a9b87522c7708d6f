import { grantableTypes, POLICY_EXAMPLE, ROLE_PATTERN, VARIABLE_NAME } from './policy-form.ts';

const text = (description: string, more: object = {}) => ({ type: 'string', ...more, description });
const texts = (description: string, items: object = {}) => ({
  type: 'array',
  items: { type: 'string', ...items },
  description,
});

/** The file of upstream_policy, for editors. The data plane itself is stricter: it reads references and destinations. */
export function policySchema(): object {
  const roles = texts('ARNs of roles; * is any text.', { pattern: ROLE_PATTERN.source });
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title: 'upstream_policy of vaultplane-dp',
    description: "What of a data plane's own may go to destinations that the control plane's vaults name.",
    type: 'object',
    additionalProperties: false,
    properties: {
      $schema: text('Where this schema is; not read.'),
      defaults: {
        type: 'boolean',
        default: true,
        description:
          "Whether the machine's AWS and Google identity may go to AWS's and Google's own addresses without a grant.",
      },
      roles: { ...roles, description: `The roles that vaults may have assumed; absent: any. ${roles.description}` },
      grants: { type: 'array', items: grantSchema(roles), description: 'What else may go where.' },
    },
    examples: [JSON.parse(POLICY_EXAMPLE)],
  };
}

function grantSchema(roles: object): object {
  return {
    type: 'object',
    additionalProperties: false,
    required: ['type', 'destination'],
    properties: {
      type: { enum: grantableTypes(), description: 'The type of the vaults.' },
      destination: text(
        "Scheme, host and port; without a port the scheme's own (443, 80). https://*.example.com is every host below example.com; http names one host.",
        { pattern: '^[hH][tT][tT][pP][sS]?://[^/?#@\\s]+$' },
      ),
      references: texts('References to vaults of the settings, as the vault writes them; compared by what they mean.', {
        pattern: '^\\{vault://.+\\}$',
      }),
      environment: texts('Environment variables, each as the reference to it. No application is given their values.', {
        pattern: VARIABLE_NAME.source,
      }),
      files: texts('Files whose content may be shown.', { pattern: '^/' }),
      service_account_token: { type: 'boolean', description: "The token of the pod's service account." },
      ca_cert: {
        type: 'boolean',
        description:
          "Whether such a vault may say by its ca_cert who signs the server's certificate; without it whom the data plane itself trusts (ssl_trusted_certificate) decides.",
      },
      identity: {
        type: 'boolean',
        description: "The machine's AWS identity (type aws) or Google identity (type gcp).",
      },
      roles: { ...roles },
    },
  };
}
