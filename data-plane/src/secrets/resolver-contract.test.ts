import { AWS_LACKS, startAwsHarness } from '@vaultplane/shared/backends/testing/aws-harness.ts';
import { ENV_LACKS, startEnvHarness } from '@vaultplane/shared/backends/testing/env-harness.ts';
import { resolverContract } from './testing/resolver-contract.ts';

resolverContract('aws on the emulator', AWS_LACKS, startAwsHarness);
resolverContract('env', ENV_LACKS, startEnvHarness);
