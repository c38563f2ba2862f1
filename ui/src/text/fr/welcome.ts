// Words before the vault is open, in French.
import type { welcome as en } from "../en/welcome";

export const welcome: typeof en = {
  coverTitle: "L’usage et les fruits de ce qui reste à vous.",
  coverKept: "Gardé ici",
  coverKeptText:
    "Vos données sont chiffrées sur cette machine. Seules votre phrase de passe ou votre phrase de récupération les ouvrent.",
  coverUsed: "Utilisé ici",
  coverUsedText:
    "Une licence permet un seul type d’usage. Le calcul se fait sur cette machine, et vous voyez ce qui en sort.",
  coverPaid: "Payé sur preuve",
  coverPaidText: "Une récompense est débloquée par une preuve portant sur les données que vous avez enregistrées.",

  createTitle: "Créer votre coffre",
  createLead:
    "Choisissez une phrase de passe. Elle ne quitte jamais cette machine, et personne ne peut la réinitialiser pour vous.",
  createAction: "Créer le coffre",
  createBusy: "Création…",
  createNext: "Votre phrase de récupération vient ensuite, dans sa propre fenêtre.",
  orElse: "Vous en avez déjà un\u00a0?",
  recoverInstead: "Récupérer un coffre avec ses 24 mots",

  unlockTitle: "Déverrouiller votre coffre",
  unlockLead: "Saisissez la phrase de passe de ce coffre.",
  unlockAction: "Déverrouiller",
  unlockBusy: "Déverrouillage…",
  earning: (until, datasets) => `Gagne jusqu’au ${until} avec ${datasets}. Déverrouiller reprend ce qui a été gagné\u00a0; fermer la fenêtre y met fin.`,
  forgot: "Oubliée\u00a0? Utilisez les 24 mots",
  folder: "Dossier",

  recoverTitle: "Récupérer votre coffre",
  recoverLead:
    "Les mots ramènent le portefeuille, l’identité et ce qui est sur la chaîne. Un dossier de sauvegarde ramène aussi les données.",
  recoverAction: "Récupérer le coffre",
  recoverBusy: "Récupération…",
  recoverWords: "Les 24 mots, dans l’ordre",
  recoverWordsHint: "Séparés par des espaces.",
  recoverCount: (number) => `${number} mots sur 24`,
  recoverFrom: "Dossier de sauvegarde, s’il y en a un",
  recoverChoose: "Choisir un dossier",
  recoverNew: "Une nouvelle phrase de passe pour cette machine",
  recoverPart: "Le coffre est de retour et ouvert. Cette part de la sauvegarde était abîmée ou manquante\u00a0:",

  passphrase: "Phrase de passe",
  passphraseAgain: "La même encore une fois",
  passphraseHint: "Au moins 8 caractères. Quelques mots sans rapport entre eux conviennent bien.",
  passphraseShow: "Afficher",
  passphraseHide: "Masquer",
  passphraseEmpty: "Saisissez la phrase de passe.",
  passphrasesDiffer: "Les deux phrases de passe diffèrent.",
  strength: "Solidité",
  strengths: ["Bien trop facile à deviner", "Facile à deviner", "Pourrait être plus solide", "Solide", "Très solide"],
  weaknesses: {
    common: "un mot courant",
    name: "un nom",
    date: "une date",
    keyboard: "des touches voisines",
    repeat: "des lettres répétées",
    sequence: "une suite",
  },

  phraseTitle: "Notez votre phrase de récupération",
  phraseLead:
    "Elle est affichée une seule fois, dans sa propre fenêtre. Si vous oubliez la phrase de passe, ces 24 mots sont le seul moyen de rouvrir votre coffre.",
  phraseStepWindow: "Trouvez la fenêtre «\u00a0Phrase de récupération\u00a0».",
  phraseStepWrite: "Notez ou imprimez les 24 mots, dans l’ordre.",
  phraseStepKeep: "Gardez le papier loin de cette machine.",
  phraseAction: "Je l’ai notée",

  recoveryTitle: "Phrase de récupération",
  recoveryLead: "Notez ces 24 mots sur papier, dans l’ordre. Ils ne sont affichés que maintenant.",
  recoveryWarning: "Quiconque possède ces mots peut ouvrir votre coffre et dépenser depuis votre portefeuille.",
  recoveryPrint: "Imprimer",
  recoveryAction: "Je les ai notés",
  recoveryCheckTitle: "Deux mots, pour être sûr",
  recoveryCheckLead: "Saisissez ces deux mots d’après votre papier.",
  recoveryWord: (number) => `Mot ${number}`,
  recoveryWrong: "Ce n’est pas le mot à cette place. Regardez encore votre papier.",
  recoveryBack: "Revoir les mots",
  recoveryFinish: "Vérifier et fermer",
  recoveryGone: "La phrase a déjà été affichée",
  recoveryGoneText: "Elle est affichée une seule fois, à la création d’un coffre, puis oubliée par cette fenêtre.",
  recoveryClose: "Fermer cette fenêtre",
};
