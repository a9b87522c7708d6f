import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { globSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { parseAllDocuments, parse as parseYaml } from 'yaml';

const FOLDER = fileURLToPath(new URL('../../deploy/kubernetes/', import.meta.url));
const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const BUILT = ['control-plane', 'daemonset', 'example-application'];

interface Manifest {
  apiVersion: string;
  kind: string;
  metadata: { name: string; namespace?: string };
  // biome-ignore lint/suspicious/noExplicitAny: as many shapes as there are kinds; the schemas say which.
  spec?: any;
}

interface Kustomization {
  kind: string;
  resources?: string[];
  components?: string[];
  patches?: Array<{ path: string }>;
}

const documents = (text: string) =>
  parseAllDocuments(text, { merge: true }).map((document) => document.toJS() as Manifest);
const read = (...path: string[]) => readFileSync(join(FOLDER, ...path), 'utf8');
const kustomization = (folder: string) => parseYaml(read(folder, 'kustomization.yaml')) as Kustomization;
const kustomize = (folder: string) => spawnSync('kustomize', ['build', join(FOLDER, folder)], { encoding: 'utf8' });
const withoutKustomize = kustomize('control-plane').error ? 'kustomize is missing (see .ci/run)' : false;

/** The manifests of a folder, with what its components add to its Deployments. */
function manifestsOf(folder: string): Manifest[] {
  const { resources = [], components = [] } = kustomization(folder);
  const manifests = resources.flatMap((file) => documents(read(folder, file)));
  for (const component of components) {
    for (const { path } of kustomization(join(folder, component)).patches ?? []) {
      const added = documents(read(folder, component, path))[0]!.spec.template.spec;
      for (const { kind, spec } of manifests) {
        if (kind !== 'Deployment') continue;
        const pod = spec.template.spec;
        for (const [key, value] of Object.entries(added)) {
          pod[key] = Array.isArray(value) ? [...(pod[key] ?? []), ...value] : value;
        }
      }
    }
  }
  return manifests;
}

/** Checks types by the schemas of Kubernetes' API, and that no member has a name that the API does not know. */
async function check(manifests: Manifest[]): Promise<void> {
  const folder = mkdtempSync(join(ROOT, 'test/deploy/.kubernetes-'));
  try {
    for (const [index, manifest] of manifests.entries()) {
      const { apiVersion, kind, metadata } = manifest;
      const module = `kubernetes-models/${apiVersion}/${kind}`;
      const { [kind]: Model } = (await import(`${module}`)) as Record<
        string,
        new (
          data: Manifest,
        ) => { validate(): void }
      >;
      assert.doesNotThrow(() => new Model!(manifest).validate(), `${kind} ${metadata.name}`);
      // A literal of the type: the compiler refuses members that the type has not.
      const code = `import type { I${kind} } from '${module}';\nexport const manifest: I${kind} = ${JSON.stringify(manifest, null, 2)};\n`;
      writeFileSync(join(folder, `${kind}-${metadata.name}-${index}.ts`), code);
    }
    writeFileSync(
      join(folder, 'tsconfig.json'),
      JSON.stringify({ extends: '../../../tsconfig.base.json', include: ['*.ts'] }),
    );
    const { status, stdout } = spawnSync(join(ROOT, 'node_modules/.bin/tsc'), ['-p', folder], { encoding: 'utf8' });
    assert.equal(status, 0, stdout);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Every YAML file below a folder. Not those of node_modules, whose links lead round in a circle. */
const yamlFilesIn = (folder: string) =>
  globSync('**/*.{yaml,yml}', { cwd: folder, exclude: ['**/node_modules'] }).map((file) => join(folder, file));

/** The manifests in the shell and YAML blocks of a page. */
const manifestsInPage = (text: string) =>
  [...text.matchAll(/^(?:apiVersion: .*\n)(?:(?!```|---$|END$).*\n)*/gm)].flatMap(([block]) => documents(block));

it('no pod of a manifest or a guide gets the variables of Services, which look like settings', () => {
  const pages = readdirSync(join(ROOT, 'docs'), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.md'))
    .flatMap((file) => manifestsInPage(readFileSync(join(ROOT, 'docs', file), 'utf8')));
  const manifests = [
    ...yamlFilesIn(join(ROOT, 'deploy')).flatMap((file) => documents(readFileSync(file, 'utf8'))),
    ...pages,
  ];
  let pods = 0;
  for (const manifest of manifests) {
    const pod = manifest?.kind === 'Pod' ? manifest.spec : manifest?.spec?.template?.spec;
    if (!pod?.containers && !pod?.initContainers) continue;
    pods++;
    assert.equal(pod.enableServiceLinks, false, `${manifest.kind} ${manifest.metadata?.name}`);
  }
  assert.ok(pods >= 4, `${pods} pods`);
});

describe('the Kubernetes manifests', () => {
  for (const folder of BUILT) {
    it(`of ${folder} are what Kubernetes' API takes`, async () => {
      const manifests = manifestsOf(folder);
      assert.ok(manifests.length >= 2);
      await check(manifests);
    });

    it(`of ${folder} are built by kustomize`, { skip: withoutKustomize }, async () => {
      const { status, stdout, stderr } = kustomize(folder);
      assert.equal(status, 0, stderr);
      const manifests = documents(stdout);
      const names = (all: Manifest[]) => all.map(({ kind }) => kind).sort();
      assert.deepEqual(
        names(manifests).filter((kind) => kind !== 'ConfigMap'),
        names(manifestsOf(folder)),
      );
      await check(manifests);
    });
  }

  it('leave no file out', () => {
    for (const entry of readdirSync(FOLDER, { withFileTypes: true })) {
      const { resources = [], patches = [] } = kustomization(entry.name);
      const named = [...resources, ...patches.map(({ path }) => path), 'kustomization.yaml'].sort();
      assert.deepEqual(readdirSync(join(FOLDER, entry.name)).sort(), named);
    }
  });

  it('run every program as nobody, on a read-only file system and without privileges', () => {
    let count = 0;
    for (const { kind, spec } of BUILT.flatMap(manifestsOf)) {
      if (!spec?.template) continue;
      const pod = spec.template.spec;
      for (const container of [...(pod.initContainers ?? []), ...pod.containers]) {
        if (container.image !== 'vaultplane') continue;
        count++;
        const { readOnlyRootFilesystem, allowPrivilegeEscalation, capabilities } = container.securityContext;
        assert.deepEqual(
          [readOnlyRootFilesystem, allowPrivilegeEscalation, capabilities.drop],
          [true, false, ['ALL']],
          kind,
        );
        if (container.name === 'own-folders') continue;
        assert.equal(container.securityContext.runAsNonRoot ?? pod.securityContext.runAsNonRoot, true, container.name);
        assert.ok(container.livenessProbe.httpGet.path === '/status/live', container.name);
      }
    }
    assert.equal(count, 4);
  });

  it('give no pod a service account token that nothing uses', () => {
    for (const { kind, metadata, spec, ...rest } of BUILT.flatMap(manifestsOf)) {
      const { automountServiceAccountToken } = (kind === 'ServiceAccount' ? rest : (spec?.template?.spec ?? {})) as {
        automountServiceAccountToken?: boolean;
      };
      if (kind !== 'ServiceAccount' && !spec?.template) continue;
      assert.equal(automountServiceAccountToken, false, `${kind} ${metadata.name}`);
    }
  });

  it('say for every pod what may come in and go out, and that metadata addresses are out of reach', () => {
    for (const folder of BUILT) {
      const manifests = manifestsOf(folder);
      const policies = manifests.filter(({ kind }) => kind === 'NetworkPolicy').map(({ spec }) => spec);
      for (const { kind, metadata, spec } of manifests) {
        if (!spec?.template) continue;
        const { labels } = spec.template.metadata;
        const own = policies.filter(({ podSelector }) =>
          Object.entries(podSelector.matchLabels).every(([name, value]) => labels[name] === value),
        );
        const types = own.flatMap(({ policyTypes }) => policyTypes).sort();
        assert.deepEqual(types, ['Egress', 'Ingress'], `${kind} ${metadata.name}`);
        for (const { to = [] } of own.flatMap(({ egress }) => egress)) {
          for (const { ipBlock } of to) if (ipBlock) assert.deepEqual(ipBlock.except, ['169.254.0.0/16']);
        }
      }
    }
  });

  it('give each application a token of its own, by a policy', () => {
    for (const { spec } of BUILT.flatMap(manifestsOf)) {
      const pod = spec?.template?.spec;
      const containers = [...(pod?.initContainers ?? []), ...(pod?.containers ?? [])];
      for (const { command, env = [] } of containers) {
        if (command?.[0] !== 'vaultplane-dp') continue;
        const names = env.map(({ name }: { name: string }) => name);
        assert.ok(names.includes('VAULTPLANE_API_POLICIES'));
        assert.ok(!names.includes('VAULTPLANE_API_TOKEN_FILE'));
      }
    }
  });

  it('are refused with a misspelt member, or a value of the wrong type', async () => {
    const [deployment] = manifestsOf('control-plane').filter(({ kind }) => kind === 'Deployment');
    const copy = (change: (manifest: Manifest) => void) => {
      const manifest = structuredClone(deployment!);
      change(manifest);
      return check([manifest]);
    };
    await assert.rejects(
      copy(({ spec }) => {
        spec.replicas = 'two';
      }),
      /replicas/,
    );
    await assert.rejects(
      copy(({ spec }) => {
        spec.template.spec.containers[0].livenesProbe = {};
      }),
      /livenesProbe/,
    );
  });
});
