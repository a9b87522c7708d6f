import type { VNode } from 'preact';
import { useRef, useState } from 'preact/hooks';
import { useAction } from './action.ts';
import { type AdminApi, ApiError, errorText, type FieldSchema, type Vault, type VaultDiff } from './admin-api.ts';
import { CredentialWarning, credentialErrors, type Given, GivenAs, isLiteral, MASK } from './credential-field.ts';
import { DiffView } from './diff-view.ts';
import { html } from './html.ts';
import { LoadedPart, Problem, useLoaded } from './loading.ts';
import { Modal } from './modal.ts';
import type { PageProps } from './page-props.ts';
import { go } from './route.ts';
import { VaultImpact } from './vault-impact.ts';

type Schemas = Record<string, Array<[string, FieldSchema]>>;

/** Making a vault, by itself or from another one, and editing one. */
export function VaultEditor({ api, route }: PageProps): VNode {
  const [, action, prefix] = route.segments;
  const from = action === 'edit' ? prefix : (route.query.get('from') ?? undefined);
  const loaded = useLoaded(async () => {
    const types = (await api.get<{ vaultplane: { vault_types: string[] } }>('/')).vaultplane.vault_types;
    const schemas: Schemas = {};
    for (const type of types) schemas[type] = fieldsOf(await api.get(`/schemas/vaults/${type}`));
    return { schemas, vault: from === undefined ? null : await api.get<Vault>(`/vaults/${encodeURIComponent(from)}`) };
  }, `${action} ${from}`);
  if (!api.can('editor'))
    return html`<h1>Vaults</h1><${Problem} title="This needs the role editor" text="You are signed in as a reader." />`;
  return html`<div class="page">
    <div class="page-head"><h1>${action === 'edit' ? html`Edit <code>${prefix}</code>` : 'New vault'}</h1></div>
    <${LoadedPart} of=${loaded}>${({ schemas, vault }: { schemas: Schemas; vault: Vault | null }) =>
      html`<${VaultForm} api=${api} schemas=${schemas} edited=${action === 'edit' ? vault : null} template=${vault} />`}<//>
  </div>`;
}

function fieldsOf(schema: {
  fields: Array<{ config?: { fields: Array<Record<string, FieldSchema>> } }>;
}): Array<[string, FieldSchema]> {
  return schema.fields.flatMap(({ config }) => (config?.fields ?? []).flatMap((field) => Object.entries(field)));
}

interface FormProps {
  api: AdminApi;
  schemas: Schemas;
  /** The vault that is to be changed; null: a new one. */
  edited: Vault | null;
  /** What the form begins with. */
  template: Vault | null;
}

type Values = Record<string, string>;

function VaultForm({ api, schemas, edited, template }: FormProps): VNode {
  const [type, setType] = useState(template?.name ?? Object.keys(schemas)[0]!);
  const [values, setValues] = useState<Values>(() => valuesOf(template, edited === null));
  const [errors, setErrors] = useState<Values>({});
  const [failure, setFailure] = useState<string | null>(null);
  const [reviewing, setReviewing] = useState(false);
  const [chosen, setChosen] = useState<Record<string, Given>>({});
  const form = useRef<HTMLFormElement>(null);
  const begunWith = useRef(values).current;
  const givenAs = (name: string): Given => chosen[name] ?? (isLiteral(begunWith[name]) ? 'literal' : 'reference');
  const fields = schemas[type]!;
  const wanted = entityOf(type, fields, values);
  const secret = new Set(fields.filter(([, schema]) => schema.encrypted).map(([name]) => `config.${name}`));
  const change = changeOf(edited, wanted);
  const literal = [...secret].filter((name) => isLiteral(values[name]));

  const saving = useAction();
  const refuse = (error: unknown) => {
    if (!(error instanceof ApiError) || Object.keys(error.fields).length === 0) {
      setFailure(errorText(error));
      return;
    }
    const { config, ...own } = error.fields as Record<string, unknown>;
    const found = Object.fromEntries(
      [
        ...Object.entries(own),
        ...Object.entries(typeof config === 'object' && config !== null ? config : {}).map(([name, text]) => [
          `config.${name}`,
          text,
        ]),
      ].map(([name, text]) => [name, typeof text === 'string' ? text : JSON.stringify(text)]),
    ) as Values;
    if (typeof config === 'string') found['@entity'] = config;
    setErrors(found);
    setFailure(Object.keys(found).some((name) => !knows(fields, name)) ? errorText(error) : null);
    focusFirstError();
  };
  const focusFirstError = () => {
    requestAnimationFrame(() => form.current?.querySelector<HTMLElement>('[aria-invalid="true"]')?.focus());
  };
  const review = async (event: Event) => {
    event.preventDefault();
    const changed = change.fields.map(({ field }) => field);
    const faults = credentialErrors(fields, values, givenAs, { edited, changed });
    setErrors(faults);
    setFailure(null);
    if (Object.keys(faults).length > 0) return focusFirstError();
    try {
      // The API's own words, before anything is changed.
      await api.call('POST', '/schemas/vaults/validate', wanted);
      setReviewing(true);
    } catch (error) {
      refuse(error);
    }
  };
  const save = () =>
    saving.run(async () => {
      try {
        if (edited) await api.call('PATCH', `/vaults/${edited.id}`, patchOf(edited, wanted));
        else await api.call('POST', '/vaults', wanted);
        go(['vaults']);
      } catch (error) {
        setReviewing(false);
        refuse(error);
      }
    });
  const field = (
    name: string,
    label: string,
    options: Pick<FieldProps, 'type' | 'help' | 'placeholder' | 'given' | 'choices'> = {},
  ) => html`<${Field}
    key=${name} name=${name} label=${label} value=${values[name] ?? ''} error=${errors[name]} ...${options}
    onInput=${(value: string) => setValues((before) => ({ ...before, [name]: value }))}
    onGiven=${(given: Given) => {
      setChosen((before) => ({ ...before, [name]: given }));
      // What is given in one way is nothing in the other.
      const begun = begunWith[name] ?? '';
      setValues((before) => ({ ...before, [name]: (given === 'literal') === isLiteral(begun) ? begun : '' }));
    }}
  />`;
  return html`<form ref=${form} class="card" onSubmit=${review} novalidate>
    <div class="form-grid">
      <div class="field"><label for="vault-type">Type</label>
        <select id="vault-type" value=${type} disabled=${edited !== null} onChange=${(event: Event) => setType((event.target as HTMLSelectElement).value)}>
          ${Object.keys(schemas).map((name) => html`<option key=${name}>${name}</option>`)}
        </select></div>
      ${field('prefix', 'Prefix', { help: 'The VAULT of references: small letters, digits and hyphens' })}
      ${field('description', 'Description')}
      ${field('tags', 'Tags', { type: 'array', help: 'Separated by commas' })}
    </div>
    <h2>Configuration</h2>
    <div class="form-grid">
      ${fields.map(([name, schema]) =>
        field(`config.${name}`, name, {
          type: schema.type,
          ...(schema.encrypted && { given: givenAs(`config.${name}`), placeholder: '{vault://env/NAME}' }),
          ...{ choices: schema.type === 'boolean' ? ['true', 'false'] : schema.one_of },
          ...(schema.description !== undefined && { help: schema.description }),
          ...(schema.default !== undefined && {
            placeholder: Array.isArray(schema.default) ? schema.default.join(', ') : String(schema.default),
          }),
        }),
      )}
    </div>
    <${CredentialWarning} names=${literal} />
    <p class="error" role="alert">${failure}</p>
    <div class="actions">
      <button type="submit" class="primary" disabled=${change.fields.length === 0}>Look at what it changes…</button>
      <a class="button" href="#/vaults">Cancel</a>
    </div>
    ${
      reviewing &&
      html`<${Modal} title=${edited ? `Change ${edited.prefix}` : `Make ${wanted.prefix}`} wide onClose=${() => setReviewing(false)}>
      <${DiffView} changes=${[hidden(change, secret)]} />
      <${CredentialWarning} names=${literal} />
      <${VaultImpact} api=${api} change=${change} edited=${edited} fields=${fields} />
      <div class="actions"><button type="button" class="primary" disabled=${saving.busy} onClick=${save}>Save</button><button type="button" onClick=${() => setReviewing(false)}>Back</button></div>
    <//>`
    }
  </form>`;
}

interface FieldProps {
  name: string;
  label: string;
  value: string;
  type?: FieldSchema['type'];
  help?: string;
  placeholder?: string;
  /** Of a credential: how it is given. */
  given?: Given;
  /** Nothing else may be given. */
  choices?: readonly string[] | undefined;
  error?: string;
  onInput: (value: string) => void;
  onGiven: (given: Given) => void;
}

function Field(props: FieldProps): VNode {
  const { name, label, value, type = 'string', help, placeholder, given, choices, error, onInput, onGiven } = props;
  const id = `field-${name}`;
  const isHidden = given === 'literal' || (given !== undefined && isLiteral(value));
  return html`<div class="field">
    <label for=${id}>${label}</label>
    ${given && html`<${GivenAs} id=${id} label=${label} given=${given} onGiven=${onGiven} />`}
    ${
      choices
        ? html`<select id=${id} value=${value} aria-invalid=${error !== undefined} aria-describedby=${`${id}-help ${id}-error`}
      onChange=${(event: Event) => onInput((event.target as HTMLSelectElement).value)}>
      <option value="">${placeholder === undefined ? '' : `${placeholder} (default)`}</option>
      ${choices.map((choice) => html`<option key=${choice} value=${choice}>${choice}</option>`)}
    </select>`
        : html`<input id=${id} value=${value} type=${isHidden ? 'password' : 'text'} inputmode=${type === 'number' ? 'decimal' : undefined}
      placeholder=${isHidden ? undefined : placeholder} spellcheck=${false} autocomplete="off" autocapitalize="off"
      aria-invalid=${error !== undefined} aria-describedby=${`${id}-help ${id}-error`}
      onInput=${(event: Event) => onInput((event.target as HTMLInputElement).value)} />`
    }
    <p class="help" id=${`${id}-help`}>${help}${type === 'array' && name !== 'tags' ? ' Separated by commas.' : ''}</p>
    <p class="error" id=${`${id}-error`}>${error}</p>
  </div>`;
}

/** As it may stand on a screen. */
function hidden(change: VaultDiff, secret: ReadonlySet<string>): VaultDiff {
  const shown = (field: string, value: unknown) =>
    secret.has(field) && typeof value === 'string' && isLiteral(value) ? MASK : value;
  return {
    ...change,
    fields: change.fields.map(({ field, before, after }) => ({
      field,
      before: shown(field, before),
      after: shown(field, after),
    })),
  };
}

type Entity = Pick<Vault, 'prefix' | 'name' | 'description' | 'tags' | 'config'>;

function valuesOf(vault: Vault | null, isNew: boolean): Values {
  if (!vault) return {};
  const config = Object.entries(vault.config)
    .map(([name, value]): [string, string] => [
      `config.${name}`,
      Array.isArray(value) ? value.join(', ') : String(value),
    ])
    // What a mask stands for is the vault's that it is of, and not a copy's.
    .filter(([, text]) => !isNew || text !== MASK);
  return {
    ...Object.fromEntries(config),
    prefix: isNew ? `${vault.prefix}-copy` : vault.prefix,
    description: vault.description ?? '',
    tags: (vault.tags ?? []).join(', '),
  };
}

function entityOf(type: string, fields: Array<[string, FieldSchema]>, values: Values): Entity {
  const list = (text: string) =>
    text
      .split(',')
      .map((part) => part.trim())
      .filter((part) => part !== '');
  const config: Record<string, unknown> = {};
  for (const [name, schema] of fields) {
    const text = (values[`config.${name}`] ?? '').trim();
    if (text === '') continue;
    if (schema.type === 'array') config[name] = list(text);
    // What is no number is sent as it is: what is wrong with it, the API says.
    else if (schema.type === 'number' || schema.type === 'integer')
      config[name] = Number.isNaN(Number(text)) ? text : Number(text);
    else config[name] = schema.type === 'boolean' ? text === 'true' : text;
  }
  const tags = list(values.tags ?? '');
  return {
    ...{ prefix: (values.prefix ?? '').trim(), name: type, config },
    description: (values.description ?? '').trim() || null,
    tags: tags.length > 0 ? tags : null,
  };
}

function flat(entity: Entity | null): Record<string, unknown> {
  if (!entity) return {};
  const { config, prefix, name, description, tags } = entity;
  return {
    prefix,
    name,
    description,
    tags,
    ...Object.fromEntries(Object.entries(config).map(([key, value]) => [`config.${key}`, value])),
  };
}

function changeOf(edited: Vault | null, wanted: Entity): VaultDiff {
  const [before, after] = [flat(edited), flat(wanted)];
  const fields = [...new Set([...Object.keys(before), ...Object.keys(after)])]
    .map((field) => ({ field, before: before[field] ?? null, after: after[field] ?? null }))
    .filter((field) => JSON.stringify(field.before) !== JSON.stringify(field.after));
  return { change: edited ? 'update' : 'create', prefix: wanted.prefix, id: edited?.id ?? 'new', fields };
}

/** Members that are no longer set are null; what is as it was, a mask among it, is not sent. */
function patchOf(edited: Vault, wanted: Entity): Record<string, unknown> {
  const patch: Record<string, unknown> = {};
  const config: Record<string, unknown> = {};
  for (const { field, after } of changeOf(edited, wanted).fields) {
    if (field.startsWith('config.')) config[field.slice('config.'.length)] = after;
    else patch[field] = after;
  }
  return { ...patch, ...(Object.keys(config).length > 0 && { config }) };
}

function knows(fields: Array<[string, FieldSchema]>, name: string): boolean {
  return ['prefix', 'description', 'tags'].includes(name) || fields.some(([own]) => `config.${own}` === name);
}

export function DeleteVault({
  api,
  vault,
  onClose,
  onDone,
}: {
  api: AdminApi;
  vault: Vault;
  onClose: () => void;
  onDone: () => void;
}): VNode {
  const { busy, error, run } = useAction();
  const remove = () =>
    run(async () => {
      await api.call('DELETE', `/vaults/${vault.id}`);
      onDone();
    });
  const change: VaultDiff = { change: 'delete', prefix: vault.prefix, id: vault.id, fields: [] };
  return html`<${Modal} title=${`Delete ${vault.prefix}`} onClose=${onClose}>
    <${VaultImpact} api=${api} change=${change} edited=${vault} fields=${[]} />
    <p class="error" role="alert">${error}</p>
    <div class="actions"><button type="button" class="primary danger" disabled=${busy} onClick=${remove}>Delete ${vault.prefix}</button><button type="button" onClick=${onClose}>Cancel</button></div>
  <//>`;
}
