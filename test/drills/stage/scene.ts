import type { EmulatorOptions } from '@vaultplane/aws-emulator/emulator.ts';
import type { GcpEmulatorOptions } from '@vaultplane/gcp-emulator/emulator.ts';

/** What is set up before a drill begins, where it differs from the plain: one of each, and all on one host. */
export interface Scene {
  /** How many control planes; more than one share a Postgres. */
  controlPlanes?: number;
  /** The control plane's database is a Postgres server. */
  postgres?: boolean;
  /** The data plane is a host of its own, behind a link whose packets can be dropped. */
  farDataPlane?: boolean;
  /** The data plane reaches its control plane through a proxy that can be slow, or go dead. */
  linkThroughProxy?: boolean;
  /** Seconds that the data plane and AWS live through in one second of the drill. */
  timeRate?: number;
  /** The data plane's clock can be set. */
  settableClock?: boolean;
  /** The data plane's data_dir is a file system of its own, of so many bytes. */
  dataDirBytes?: number;
  /** The data plane's AWS credentials: its container's role, from the emulator; long-lived keys where not set. */
  credentials?: 'container';
  /** Control planes export their configuration to a file. */
  exported?: boolean;
  /** The data plane keeps what it holds on its disk, encrypted. */
  persist?: boolean;
  /** The cluster's certificate expires so soon after the beginning. */
  certificateLifeSeconds?: number;
  /** ttl and resurrect_ttl of the vault `aws-sm-vault`, and whatever else it is to have. */
  vault?: Record<string, string>;
  emulator?: EmulatorOptions;
  /** There is a Google Cloud too, with a vault in it, and the data plane has its machine's identity there. */
  gcp?: GcpEmulatorOptions;
  /** There is an OpenBao too, with a vault in it, where the data plane logs in by approle. */
  openBao?: boolean;
  /** Settings of every control plane and of the data plane, as environment variables. */
  controlPlaneEnv?: NodeJS.ProcessEnv;
  dataPlaneEnv?: NodeJS.ProcessEnv;
}
