// Every word on the pages, in English and French. A language that lacks a message does not compile.

const en = {
  appName: "Usufruct",
  loading: "Opening…",

  coverTitle: "The use and the fruits of what stays yours.",
  coverKept: "Kept here",
  coverKeptText: "Your records are encrypted on this machine. Only your passphrase or your recovery phrase opens them.",
  coverUsed: "Used here",
  coverUsedText: "A license allows one kind of use. The job runs on this machine, and you see what leaves it.",
  coverPaid: "Paid by proof",
  coverPaidText: "A reward is released by a proof over the records you registered.",

  createTitle: "Create your vault",
  createLead: "Choose a passphrase. It never leaves this machine, and nobody can reset it for you.",
  createAction: "Create vault",
  createBusy: "Creating…",
  createNext: "Your recovery phrase comes next, in a window of its own.",
  unlockTitle: "Unlock your vault",
  unlockLead: "Enter the passphrase of this vault.",
  unlockAction: "Unlock",
  unlockBusy: "Unlocking…",
  folder: "Folder",

  passphrase: "Passphrase",
  passphraseAgain: "The same again",
  passphraseHint: "At least 8 characters. A few unrelated words make a good one.",
  passphraseShow: "Show",
  passphraseHide: "Hide",
  passphraseEmpty: "Enter the passphrase.",
  passphrasesDiffer: "The two passphrases differ.",

  phraseTitle: "Write down your recovery phrase",
  phraseLead: "It is shown once, in a window of its own. If you forget the passphrase, these 24 words are the only way back into your vault.",
  phraseStepWindow: "Find the window named “Recovery phrase”.",
  phraseStepWrite: "Write the 24 words on paper, in order.",
  phraseStepKeep: "Keep the paper away from this machine.",
  phraseAction: "I have written it down",

  recoveryTitle: "Recovery phrase",
  recoveryLead: "Write these 24 words on paper, in order. They are shown only now.",
  recoveryWarning: "Whoever has these words can open your vault and spend from your wallet.",
  recoveryAction: "Done, close this window",
  recoveryGone: "The phrase was shown already",
  recoveryGoneText: "It is shown once, when a vault is created, and then forgotten by this window.",
  recoveryClose: "Close this window",

  homeTitle: "Your vault",
  homeOpen: "Unlocked",
  lock: "Lock",
  lockShortcut: "Ctrl+L",
  records: "Records",
  sources: "Sources",
  datasets: "Datasets",
  onDisk: "On disk",
  inPacks: (packs: string, one: boolean) => `in ${packs} ${one ? "pack" : "packs"}`,
  sourceName: "Source",
  sourceKinds: "Kinds",
  sourceImported: "Last import",
  sourcesNone: "No records yet",
  sourcesNoneText: "Lock the vault here, then import a folder, a mailbox or an export from a terminal:",
  datasetName: "Dataset",
  datasetState: "State",
  datasetsNone: "No datasets yet",
  datasetsNoneText: "A dataset is a selection of records that you can offer licenses on. Create one from a terminal:",
  stateDraft: "Draft",
  stateActive: "Active",
  stateEnded: "End of life",
  stateRevoked: "Revoked",
  details: "Details",
  vaultId: "Vault id",
  wallet: "Wallet",
  objects: "Objects",
  contentSize: "Size of content",

  failureLocked: "The vault did not open",
  failureBusy: "The vault is in use",
  failureRefused: "That is not allowed",
  failureUsage: "That cannot be used",
  failureNotFound: "Not found",
  failureIntegrity: "Something was altered",
  failureNetwork: "The network does not answer",
  failurePartial: "A part was done",
  failureOther: "That did not work",
};

/** The messages of one language. */
export type Messages = { [K in keyof typeof en]: (typeof en)[K] };

const fr: Messages = {
  appName: "Usufruct",
  loading: "Ouverture…",

  coverTitle: "L’usage et les fruits de ce qui reste à vous.",
  coverKept: "Gardé ici",
  coverKeptText: "Vos données sont chiffrées sur cette machine. Seules votre phrase de passe ou votre phrase de récupération les ouvrent.",
  coverUsed: "Utilisé ici",
  coverUsedText: "Une licence permet un seul type d’usage. Le calcul se fait sur cette machine, et vous voyez ce qui en sort.",
  coverPaid: "Payé sur preuve",
  coverPaidText: "Une récompense est débloquée par une preuve portant sur les données que vous avez enregistrées.",

  createTitle: "Créer votre coffre",
  createLead: "Choisissez une phrase de passe. Elle ne quitte jamais cette machine, et personne ne peut la réinitialiser pour vous.",
  createAction: "Créer le coffre",
  createBusy: "Création…",
  createNext: "Votre phrase de récupération vient ensuite, dans sa propre fenêtre.",
  unlockTitle: "Déverrouiller votre coffre",
  unlockLead: "Saisissez la phrase de passe de ce coffre.",
  unlockAction: "Déverrouiller",
  unlockBusy: "Déverrouillage…",
  folder: "Dossier",

  passphrase: "Phrase de passe",
  passphraseAgain: "La même encore une fois",
  passphraseHint: "Au moins 8 caractères. Quelques mots sans rapport entre eux conviennent bien.",
  passphraseShow: "Afficher",
  passphraseHide: "Masquer",
  passphraseEmpty: "Saisissez la phrase de passe.",
  passphrasesDiffer: "Les deux phrases de passe diffèrent.",

  phraseTitle: "Notez votre phrase de récupération",
  phraseLead: "Elle est affichée une seule fois, dans sa propre fenêtre. Si vous oubliez la phrase de passe, ces 24 mots sont le seul moyen de rouvrir votre coffre.",
  phraseStepWindow: "Trouvez la fenêtre «\u00a0Phrase de récupération\u00a0».",
  phraseStepWrite: "Notez les 24 mots sur papier, dans l’ordre.",
  phraseStepKeep: "Gardez le papier loin de cette machine.",
  phraseAction: "Je l’ai notée",

  recoveryTitle: "Phrase de récupération",
  recoveryLead: "Notez ces 24 mots sur papier, dans l’ordre. Ils ne sont affichés que maintenant.",
  recoveryWarning: "Quiconque possède ces mots peut ouvrir votre coffre et dépenser depuis votre portefeuille.",
  recoveryAction: "Terminé, fermer cette fenêtre",
  recoveryGone: "La phrase a déjà été affichée",
  recoveryGoneText: "Elle est affichée une seule fois, à la création d’un coffre, puis oubliée par cette fenêtre.",
  recoveryClose: "Fermer cette fenêtre",

  homeTitle: "Votre coffre",
  homeOpen: "Déverrouillé",
  lock: "Verrouiller",
  lockShortcut: "Ctrl+L",
  records: "Enregistrements",
  sources: "Sources",
  datasets: "Jeux de données",
  onDisk: "Sur le disque",
  inPacks: (packs, one) => `dans ${packs} ${one ? "paquet" : "paquets"}`,
  sourceName: "Source",
  sourceKinds: "Types",
  sourceImported: "Dernier import",
  sourcesNone: "Aucun enregistrement",
  sourcesNoneText: "Verrouillez le coffre ici, puis importez un dossier, une boîte mail ou un export depuis un terminal\u00a0:",
  datasetName: "Jeu de données",
  datasetState: "État",
  datasetsNone: "Aucun jeu de données",
  datasetsNoneText: "Un jeu de données est une sélection d’enregistrements dont vous pouvez licencier l’usage. Créez-en un depuis un terminal\u00a0:",
  stateDraft: "Brouillon",
  stateActive: "Actif",
  stateEnded: "En fin de vie",
  stateRevoked: "Révoqué",
  details: "Détails",
  vaultId: "Identifiant du coffre",
  wallet: "Portefeuille",
  objects: "Objets",
  contentSize: "Taille du contenu",

  failureLocked: "Le coffre ne s’est pas ouvert",
  failureBusy: "Le coffre est en cours d’utilisation",
  failureRefused: "Ce n’est pas permis",
  failureUsage: "Cela ne convient pas",
  failureNotFound: "Introuvable",
  failureIntegrity: "Quelque chose a été altéré",
  failureNetwork: "Le réseau ne répond pas",
  failurePartial: "Une partie a été faite",
  failureOther: "Cela n’a pas fonctionné",
};

/** The languages of the pages. */
export type Locale = "en" | "fr";

/** All messages, by language. */
export const languages: Record<Locale, Messages> = { en, fr };

/** The first of the person's `preferred` languages that there are messages in; English without one. */
export function choose(preferred: readonly string[]): Locale {
  for (const tag of preferred) {
    const language = tag.toLowerCase().split("-")[0];
    if (language === "en" || language === "fr") return language;
  }
  return "en";
}

/** The language of this window. */
export const locale: Locale = choose(navigator.languages);

/** The messages of this window. */
export const text: Messages = languages[locale];
