import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cpSync, globSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, describe, it, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { builtArtefacts } from './artefacts.ts';
import { releaseNotes, releaseSection, withLinksTo } from './changelog.ts';
import { planRelease } from './plan.ts';
import { describeRelease, makeRelease, verifyRelease } from './release.ts';
import { ReleaseError } from './release-error.ts';
import { Repository } from './repository.ts';
import { checkVersion, isLater, isPatch, literally } from './version.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const DATE = '2026-12-01';
const { version: CURRENT } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { version: string };

let origin: string;
before(() => {
  origin = makeOrigin();
});
after(() => rmSync(origin, { recursive: true, force: true }));

describe('a version', () => {
  it('has the form of Semantic Versioning, with alpha, beta and rc', () => {
    for (const right of ['0.2.0', '1.0.0-rc.1', '10.20.30']) assert.equal(checkVersion(right), right);
    for (const wrong of ['', 'v0.2.0', '0.2', '01.2.3', '0.2.0-x', '0.2.0\n', '0.2.0 ']) {
      assert.throws(() => checkVersion(wrong), ReleaseError, wrong);
    }
  });

  it('comes after those that Semantic Versioning says', () => {
    const ordered = [
      '0.1.0',
      '0.2.0-alpha.1',
      '0.2.0-beta.1',
      '0.2.0-rc.2',
      '0.2.0-rc.10',
      '0.2.0',
      '0.2.1',
      '0.10.0',
      '1.0.0',
    ];
    for (const [index, earlier] of ordered.entries()) {
      assert.ok(!isLater(earlier, earlier));
      for (const later of ordered.slice(index + 1)) {
        assert.ok(isLater(later, earlier), `${later} > ${earlier}`);
        assert.ok(!isLater(earlier, later), `${earlier} < ${later}`);
      }
    }
    assert.deepEqual(['0.2.1', '0.2.0', '0.2.0-rc.1', '0.20.1'].map(isPatch), [true, false, false, true]);
  });
});

describe('the changelog', () => {
  const text =
    '# Changelog\n\nAll changes.\n\n## [Unreleased]\n\n### Added\n\n- One.\n\n## [0.1.0] - 2026-01-01\n\n- Zero.\n';

  it('gets a section of the release, and an empty one for what comes', () => {
    const released = releaseSection(text, '0.2.0', DATE);
    assert.equal(
      released,
      `# Changelog\n\nAll changes.\n\n## [Unreleased]\n\n## [0.2.0] - ${DATE}\n\n### Added\n\n- One.\n\n## [0.1.0] - 2026-01-01\n\n- Zero.\n`,
    );
    assert.equal(releaseNotes(released, '0.2.0'), '### Added\n\n- One.');
    assert.equal(releaseNotes(released, '0.1.0'), '- Zero.');
  });

  it('leads readers elsewhere to the files of the project', () => {
    assert.equal(
      withLinksTo('[a](docs/a.md#x), [b](https://b.example/b), [c](#c) and [d](d.md)', 'https://h.example/blob/v1'),
      '[a](https://h.example/blob/v1/docs/a.md#x), [b](https://b.example/b), [c](#c) and [d](https://h.example/blob/v1/d.md)',
    );
  });

  it('is refused without anything to release, and for a version that it has', () => {
    const released = releaseSection(text, '0.2.0', DATE);
    assert.throws(() => releaseSection(released, '0.3.0', DATE), /nothing is written/);
    assert.throws(() => releaseSection(text, '0.1.0', DATE), /has a section 0\.1\.0 already/);
    assert.throws(() => releaseSection('# Changelog\n', '0.2.0', DATE), /has no section/);
    assert.throws(() => releaseNotes(text, '0.2.0'), /has no section 0\.2\.0/);
  });
});

describe('a release', () => {
  it('states its version wherever the version before stood, and only there', (t) => {
    const { repository, root } = clone(t);
    const { files, from, tag } = planRelease(repository, '9.0.0', DATE);
    assert.deepEqual([from, tag], [CURRENT, 'v9.0.0']);
    const manifests = globSync('**/package.json', { cwd: root, exclude: (name) => name.includes('node_modules') });
    assert.ok(manifests.length > 5);
    for (const path of manifests) assert.equal(JSON.parse(files.get(path)!).version, '9.0.0', path);
    for (const [path, text] of files) {
      const lines = (content: string) => content.split('\n');
      const [was, is] = [lines(readFileSync(join(root, path), 'utf8')), lines(text)];
      if (path === 'CHANGELOG.md') continue;
      assert.equal(is.length, was.length, path);
      for (const [index, line] of is.entries()) {
        assert.equal(line.replaceAll('9.0.0', CURRENT), was[index]!, `${path}:${index + 1}`);
      }
    }
    // No image, chart or program is left behind.
    const stated = new RegExp(String.raw`(newTag: |/vaultplane:|\.version\(')${literally(CURRENT)}`);
    for (const path of globSync('{deploy,docs,test}/**/*.{yaml,md,ts}', { cwd: root })) {
      if (path.startsWith('deploy/release/')) continue;
      assert.doesNotMatch(files.get(path) ?? readFileSync(join(root, path), 'utf8'), stated, path);
    }
  });

  it('is described by a dry run that changes nothing', (t) => {
    const { repository, root } = clone(t);
    const said: string[] = [];
    const { commit } = repository;
    describeRelease({ ...optionsFor(repository, '9.0.0'), say: (line) => said.push(line) });
    assert.match(said.join('\n'), /Release 9\.0\.0, after .*\n {2}change CHANGELOG\.md\n(?:.*\n)*.*tag v9\.0\.0/);
    assert.deepEqual([repository.changed, repository.commit, repository.hasTag('v9.0.0')], [[], commit, false]);
    assert.ok(readFileSync(join(root, 'package.json'), 'utf8').includes(`"version": "${CURRENT}"`));
  });

  it('is a commit and a tag, with a build of its version, and passes its own verification', async (t) => {
    const { repository, root } = clone(t);
    const options = optionsFor(repository, '9.0.0');
    const artefacts = await makeRelease(options);
    assert.deepEqual(
      artefacts.map(({ path }) => path),
      ['vaultplane-9.0.0.tgz'],
    );
    assert.deepEqual(repository.changed, []);
    assert.equal(repository.commitOf('v9.0.0'), repository.commit);
    assert.match(git(root, 'log', '-1', '--format=%s'), /^Release 9\.0\.0$/);
    assert.equal(git(root, 'cat-file', '-t', 'v9.0.0'), 'tag');
    const { notes } = verifyRelease(options);
    assert.match(notes, /^### /);
    assert.throws(() => planRelease(repository, '9.0.0', DATE), /9\.0\.0 does not come after 9\.0\.0/);

    writeFileSync(join(options.dist, 'vaultplane-9.0.0.tgz'), 'another');
    assert.throws(() => verifyRelease(options), /vaultplane-9\.0\.0\.tgz is not what SHA256SUMS says/);
    git(root, 'commit', '--quiet', '--allow-empty', '--message', 'more');
    assert.throws(() => verifyRelease(options), /this is not the commit of v9\.0\.0/);
  });

  it('leaves nothing where its build fails, or is of another version', async (t) => {
    const { repository } = clone(t);
    const { commit } = repository;
    const options = optionsFor(repository, '9.0.0');
    const failing = async () => {
      throw new ReleaseError('the build failed');
    };
    await assert.rejects(makeRelease({ ...options, build: failing }), /the build failed/);
    const old = async () => fill(options.dist, { 'vaultplane-8.0.0.tgz': 'x' });
    await assert.rejects(makeRelease({ ...options, build: old }), /nothing in .* is of version 9\.0\.0/);
    assert.deepEqual([repository.changed, repository.commit, repository.hasTag('v9.0.0')], [[], commit, false]);
  });

  it('is refused where something stands in its way', (t) => {
    const { repository, root } = clone(t);
    assert.throws(() => planRelease(repository, '0.0.9', DATE), /does not come after/);
    assert.throws(() => planRelease(repository, '8.0.0', DATE), /upgrading\.md has no section "… to 8\.0\.0"/);
    writeFileSync(join(root, 'new-file'), '');
    assert.throws(() => planRelease(repository, '9.0.0', DATE), /not committed \(\?\? new-file\)/);
    rmSync(join(root, 'new-file'));
    git(root, 'checkout', '--quiet', '-b', 'feature');
    assert.throws(() => planRelease(repository, '9.0.0', DATE), /made from main/);
    git(root, 'checkout', '--quiet', 'main');
    git(root, 'tag', 'v9.0.0');
    assert.throws(() => planRelease(repository, '9.0.0', DATE), /the tag v9\.0\.0 is there already/);
  });
});

describe('the artefacts', () => {
  it('are those that the checksums list, each as they say', (t) => {
    const folder = temporary(t);
    fill(folder, { 'vaultplane-9.0.0.tgz': 'a', 'image/layer': 'b' });
    assert.deepEqual(
      builtArtefacts(folder, '9.0.0').map(({ path, bytes }) => [path, bytes]),
      [
        ['vaultplane-9.0.0.tgz', 1],
        ['image/layer', 1],
      ],
    );
    writeFileSync(join(folder, 'image/stranger'), '');
    assert.throws(() => builtArtefacts(folder, '9.0.0'), /image\/stranger is in the build, and not in SHA256SUMS/);
    rmSync(join(folder, 'image'), { recursive: true });
    assert.throws(() => builtArtefacts(folder, '9.0.0'), /image\/layer is in SHA256SUMS, and was not built/);
    rmSync(join(folder, 'SHA256SUMS'));
    assert.throws(() => builtArtefacts(folder, '9.0.0'), /run `npm run build`/);
  });
});

function optionsFor(repository: Repository, version: string) {
  const dist = join(repository.root, 'dist');
  const build = async () => fill(dist, { [`vaultplane-${version}.tgz`]: 'x' });
  return { repository, version, date: DATE, dist, build, say: () => {} };
}

/** A folder as a build leaves it. */
function fill(folder: string, files: Record<string, string>): void {
  rmSync(folder, { recursive: true, force: true });
  const sums = Object.entries(files).map(([path, content]) => {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), content);
    return `${createHash('sha256').update(content).digest('hex')}  ${path}\n`;
  });
  writeFileSync(join(folder, 'SHA256SUMS'), sums.join(''));
}

/** A clone of `makeOrigin`'s repository. */
function clone(t: TestContext): { repository: Repository; root: string } {
  const root = temporary(t);
  git(origin, 'clone', '--quiet', '--local', origin, root);
  configure(root);
  return { repository: new Repository(root), root };
}

/** A repository with this project's files, on main, that has something to release and tells of an upgrade to 9.0.0. */
function makeOrigin(): string {
  const root = mkdtempSync(join(tmpdir(), 'vaultplane-release-'));
  const isKept = (path: string) => !/(^|\/)(node_modules|\.git|\.cache|dist|data)$/.test(path.slice(ROOT.length));
  cpSync(ROOT, root, { recursive: true, verbatimSymlinks: true, filter: isKept });
  const upgrading = join(root, 'docs/upgrading.md');
  writeFileSync(upgrading, `${readFileSync(upgrading, 'utf8')}\n## From ${CURRENT} to 9.0.0\n`);
  // Right after a release nothing is unreleased.
  const changelog = join(root, 'CHANGELOG.md');
  const [head, rest] = readFileSync(changelog, 'utf8').split('## [Unreleased]\n');
  writeFileSync(changelog, `${head}## [Unreleased]\n\n### Added\n\n- A change.\n${rest}`);
  git(root, 'init', '--quiet', '--initial-branch', 'main');
  configure(root);
  git(root, 'add', '--all');
  git(root, 'commit', '--quiet', '--message', 'As it is');
  return root;
}

function configure(root: string): void {
  for (const [key, value] of [
    ['user.name', 'A maintainer'],
    ['user.email', 'maintainer@example.com'],
    ['commit.gpgSign', 'false'],
    ['tag.gpgSign', 'false'],
  ] as const) {
    git(root, 'config', key, value);
  }
}

function temporary(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'vaultplane-release-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

function git(cwd: string, ...args: string[]): string {
  return execFileSync('git', args, {
    cwd,
    encoding: 'utf8',
    env: { ...process.env, GIT_CONFIG_GLOBAL: '/dev/null' },
  }).trim();
}
