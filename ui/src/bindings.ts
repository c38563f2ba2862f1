// placeholder
import { invoke as __TAURI_INVOKE } from "@tauri-apps/api/core";
export const commands = {
  vaultHome: () => typedError<string, Failure>(__TAURI_INVOKE("vault_home")),
  vaultExists: () => typedError<boolean, Failure>(__TAURI_INVOKE("vault_exists")),
  vaultCreate: (passphrase: string) => typedError<null, Failure>(__TAURI_INVOKE("vault_create", { passphrase })),
  vaultUnlock: (passphrase: string) => typedError<null, Failure>(__TAURI_INVOKE("vault_unlock", { passphrase })),
  vaultLock: () => typedError<null, Failure>(__TAURI_INVOKE("vault_lock")),
  vaultStatus: () => typedError<VaultStatus | null, Failure>(__TAURI_INVOKE("vault_status")),
  sourceList: () => typedError<Sources, Failure>(__TAURI_INVOKE("source_list")),
  datasetList: () => typedError<Datasets, Failure>(__TAURI_INVOKE("dataset_list")),
  recoveryPhrase: () => typedError<string | null, Failure>(__TAURI_INVOKE("recovery_phrase")),
  recoveryDone: () => typedError<null, Failure>(__TAURI_INVOKE("recovery_done")),
};
export type Failure = { code: string; message: string; hint: string | null };
export type VaultStatus = { vault_id: string; home: string; objects: number; bytes: number; stored_bytes: number; packs: number; sources: number; records: number; datasets: number; wallet: string };
export type Source = { name: string; kinds: string[]; records: number; files: number; imported_at: string };
export type Sources = { sources: Source[] };
export type Dataset = { name: string; records: number; root: string; tier: string; state: string; fields: string[]; dataset_id: string | null; manifest_cid: string | null };
export type Datasets = { datasets: Dataset[] };
async function typedError<T, E>(result: Promise<T>): Promise<{ status: "ok"; data: T } | { status: "error"; error: E }> {
    try {
        return { status: "ok", data: await result };
    } catch (e) {
        if (e instanceof Error) throw e;
        return { status: "error", error: e as any };
    }
}
