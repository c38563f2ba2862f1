// What the vault says in English, in the language of the window where the sentence is known. The others stay as they are,
// marked as English for screen readers. said.test.ts notices when the vault says one of them differently.
import type { Locale } from "./text.svelte";

/** Words and the language that they are in. */
export interface Said {
  words: string;
  language: Locale;
}

/** Sentences of the vault with gaps (`{}`), and their French (`$1` is the first gap). */
export const FRENCH: [string, string][] = [
  // What publishing a dataset makes public.
  ['The name "{}" and the description.', "Le nom «\u00a0$1\u00a0» et la description."],
  ["That it has {} records, of kind {}.", "Qu’il a $1 enregistrements, de type $2."],
  ["The fields' names: {}. Not their content.", "Les noms des champs\u00a0: $1. Pas leur contenu."],
  ["Your wallet address {}, which pays for and signs this.", "L’adresse de votre portefeuille $1, qui paie et signe ceci."],
  ["That you published it on {} as version {}.", "Que vous l’avez publié le $1 comme version $2."],
  ["Where records come from: {}.", "D’où viennent les enregistrements\u00a0: $1."],
  [
    "A commitment to the records (root) and to your identity. Neither can be turned back.",
    "Un engagement sur les enregistrements (racine) et sur votre identité. Aucun ne peut être inversé.",
  ],
  ["A public key to which buyers seal their requests.", "Une clé publique avec laquelle les acheteurs scellent leurs demandes."],
  ["That the records are from {} to {}.", "Que les enregistrements vont du $1 au $2."],
  [
    "That the values of {} go to whoever licenses a run, with each row. The values do not become public.",
    "Que les valeurs de $1 vont à qui licencie une exécution, avec chaque ligne. Elles ne deviennent pas publiques.",
  ],
  ["That statistics count the field {}, and their bin edges.", "Que des statistiques comptent le champ $1, et leurs bornes."],
  [
    "That classifiers can learn the field {}, and its values: {}. Not which record has which.",
    "Que des classifieurs peuvent apprendre le champ $1, et ses valeurs\u00a0: $2. Pas quel enregistrement a laquelle.",
  ],
  ["That it follows the version described by {}.", "Qu’il suit la version décrite par $1."],
  // What an offer makes public.
  ["the terms and the price ({} a run), signed by {}", "les conditions et le prix ($1 par exécution), signés par $2"],
  ["that dataset {} can be licensed for {} days", "que le jeu de données $1 peut être licencié pendant $2 jours"],
  ["that {} alone may buy it", "que $1 seul peut l’acheter"],
  // What leaves with an embedding.
  [
    "{} rows of {} numbers, one for each record: {} bytes, sealed and padded to whole MiB",
    "$1 lignes de $2 nombres, une par enregistrement\u00a0: $3 octets, scellés et complétés en Mio entiers",
  ],
  [
    "a salted commitment to each record (nothing can be read from it)",
    "un engagement salé sur chaque enregistrement (rien ne peut y être lu)",
  ],
  ["the name of the model, and whether a CPU or a GPU computed it", "le nom du modèle, et si un processeur ou une carte graphique a calculé"],
  ["no text, no fields, no logs, no timings", "aucun texte, aucun champ, aucun journal, aucune durée"],
  [
    "with each row the record's own value of {}: numbers, true or false, or days. No text, no other field, no logs, no timings",
    "avec chaque ligne la valeur de l’enregistrement pour $1\u00a0: nombres, vrai ou faux, ou jours. Aucun texte, aucun autre champ, aucun journal, aucune durée",
  ],
  [
    "an embedding is data: much of a text can be recovered from it. No privacy budget protects it",
    "un plongement est une donnée\u00a0: une bonne part d’un texte peut en être retrouvée. Aucun budget de confidentialité ne le protège",
  ],
  // What leaves with a trained classifier.
  [
    "{} that tell {} ({} classes), learned from {} records: {} numbers, {} bytes, sealed and padded to whole MiB",
    "un classifieur qui distingue $2 ($3 classes), appris de $4 enregistrements\u00a0: $5 nombres, $6 octets, scellés et complétés en Mio entiers",
  ],
  [
    "a salted commitment to what training did with each record (nothing can be read from it); the rows stay here",
    "un engagement salé sur ce que l’entraînement a fait de chaque enregistrement (rien ne peut y être lu)\u00a0; les lignes restent ici",
  ],
  ["mean losses and the accuracy on a held-back tenth of the records", "les pertes moyennes et la justesse sur un dixième mis de côté"],
  ["no measured number; no text, no field, no logs, no timings", "aucun nombre mesuré\u00a0; aucun texte, aucun champ, aucun journal, aucune durée"],
  [
    "two counts of held-back records, right and wrong, with noise of {}",
    "deux comptes d’enregistrements mis de côté, justes et faux, avec un bruit de $1",
  ],
  [
    "differential privacy: it spends {} of the dataset's privacy budget; {} is left before it. The spending counts even if the run fails",
    "confidentialité différentielle\u00a0: ceci dépense $1 du budget de confidentialité du jeu\u00a0; il en reste $2 avant. La dépense compte même si l’exécution échoue",
  ],
  [
    "no differential privacy: at worst, weights tell who is in the data, or give back pieces of a record",
    "aucune confidentialité différentielle\u00a0: au pire, les poids disent qui est dans les données, ou rendent des morceaux d’un enregistrement",
  ],
  // Networks.
  [
    "development network: its money is worth nothing and its proofs can be forged with development keys",
    "réseau de développement\u00a0: son argent ne vaut rien et ses preuves peuvent être falsifiées avec des clés de développement",
  ],
  ["starts by itself when it is needed", "démarre de lui-même quand il le faut"],
];

const escaped = (words: string) => words.replace(/[.*+?^$()|[\]\\]/g, "\\$&");
const patterns = FRENCH.map(([english, french]) => [new RegExp(`^${english.split("{}").map(escaped).join("(.+?)")}$`), french] as const);

/** `sentence` in `language`, if its translation is known. */
export function said(sentence: string, language: Locale): Said {
  if (language === "en") return { words: sentence, language };
  const known = patterns.find(([pattern]) => pattern.test(sentence));
  return known ? { words: sentence.replace(...known), language } : { words: sentence, language: "en" };
}
