// The words of the confirmation window, in English and French. The facts themselves come from Rust.
import type { Act } from "./bindings";
import { locale, type Locale } from "./text.svelte";

interface Words {
  title: string;
  acts: Record<Act, string>;
  network: string;
  facts: string;
  yes: string;
  no: string;
  gone: string;
}

const en: Words = {
  title: "Confirm",
  acts: {
    publish: "Publish this dataset, forever?",
    offer: "Announce this offer?",
    revoke: "End this license?",
    approve: "Let this job run and its output leave?",
    approve_always: "Let such jobs run without asking you?",
    delegate: "Let another account answer jobs for you?",
    earn: "Let standing approvals go on while the vault is locked?",
    withdraw: "Withdraw what was earned?",
  },
  network: "On the network",
  facts: "What happens if you confirm",
  yes: "Confirm",
  no: "Do not",
  gone: "There is nothing to confirm.",
};

const fr: Words = {
  title: "Confirmer",
  acts: {
    publish: "Publier ce jeu de données, pour toujours\u00a0?",
    offer: "Annoncer cette offre\u00a0?",
    revoke: "Mettre fin à cette licence\u00a0?",
    approve: "Laisser cette demande s’exécuter et son résultat sortir\u00a0?",
    approve_always: "Laisser de telles demandes s’exécuter sans vous demander\u00a0?",
    delegate: "Laisser un autre compte répondre aux demandes pour vous\u00a0?",
    earn: "Laisser les accords permanents continuer pendant que le coffre est verrouillé\u00a0?",
    withdraw: "Retirer ce qui a été gagné\u00a0?",
  },
  network: "Sur le réseau",
  facts: "Ce qui se passe si vous confirmez",
  yes: "Confirmer",
  no: "Ne pas le faire",
  gone: "Il n’y a rien à confirmer.",
};

const words: Record<Locale, Words> = { en, fr };

/** The words in the language that the window was told. */
export const confirmWords = (): Words => words[locale()];
