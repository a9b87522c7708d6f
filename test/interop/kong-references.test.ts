import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { cleanEnv, DATA_PLANE_MAIN, Deployment } from '../e2e/deployment.ts';
import { runCommand } from './command.ts';

/** References as users of Kong write them, on the command line and with no data plane running. */
describe('vaultplane-dp get, as kong vault get', () => {
  let deployment: Deployment;
  before(() => {
    deployment = new Deployment();
  });
  after(() => deployment?.stop());

  function get(reference: string) {
    const env = {
      ...cleanEnv(),
      VAULTPLANE_DATA_DIR: `${deployment.folder}/dp`,
      SHOP_COLOUR: 'green',
      SHOP_COLOUR_PREVIOUS: 'red',
      SHOP_SIZES: '{"small":"s"}',
    };
    return runCommand(process.execPath, ['--disable-sigusr1', '--', DATA_PLANE_MAIN, 'get', reference], env);
  }

  for (const [reference, value] of [
    ['env/shop-colour', 'green'],
    ['env/shop-sizes/small', 's'],
    ['env/colour?prefix=shop_', 'green'],
    ['env/shop-colour?prefix=', 'green'],
    ['{vault://env/shop-colour}', 'green'],
    ['env/shop-colour#1', 'green'],
    ['{vault://env/shop-colour#2}', 'red'],
    ['env/colour?prefix=shop_#2', 'red'],
  ] as const) {
    it(`gives ${value} for ${reference}`, async () => {
      assert.deepEqual(await get(reference), { status: 0, stdout: value, stderr: '' });
    });
  }

  for (const [reference, status, message] of [
    ['env/shop-sizes#2', 1, /not_found: .*SHOP_SIZES_PREVIOUS is not set/],
    ['env/shop-colour#3', 1, /unsupported_version: an environment variable has versions 1 and 2, not 3/],
    ['env/colour?prefix=1A', 2, /invalid_option: option prefix must be letters, digits, _ and -/],
    ['{env/shop-colour}', 2, /not_a_reference: /],
    ['', 2, /invalid_reference: /],
  ] as const) {
    it(`refuses ${JSON.stringify(reference)}`, async () => {
      const ran = await get(reference);
      assert.match(ran.stderr, message);
      assert.equal(ran.status, status);
    });
  }
});
