"""Writes golden.json and golden.safetensors: 200 varied texts and their vectors by sentence-transformers, the implementation
users compare with, so that the tests need no Python.

Run once, in a virtual environment with sentence-transformers 6.2 from PyPI, against the same model folder:

    python golden.py MODEL_FOLDER

A text of more than 256 tokens is read by the rule windows@1 (compute/README.md): its tokenizer's windows without overlap, at most
32, each through the same modules alone; the mean of their vectors by their own tokens, normalized again.
"""

import json
import pathlib
import sys

import numpy
import sentence_transformers
import torch
import transformers
from safetensors.numpy import save_file
from sentence_transformers import SentenceTransformer, models

HERE = pathlib.Path(__file__).parent
TOKENS, WINDOWS, BYTES = 256, 32, 65_536

EMPTY = ["", " ", "\n", "  \t\n  ", "\u200b", "\u00a0\u2003", "\x00", "\ufeff", "\u0301", "\r\n\r\n", "\x1b[2J", "\u202e"]
WORDS = """yes|No.|a|I|42|almond|harbor|Amsterdam|insurance|bloom!|café|naïve|rendez-vous|e-mail|don't|x|antidisestablishmentarianism|
UPPER CASE|lower case|Mixed CASE words""".replace("\n", "").split("|")
ENGLISH = [
    "The almond trees are in bloom.",
    "Dear Theo, thank you for your letter and the fifty francs it contained.",
    "I hereby give notice that the meeting of the committee, which was to be held on the first Monday of the month, has "
    "been put off until the third; members who have travelled far are asked to send their expenses to the treasurer.",
    "Could you call the dentist and move Thursday's appointment to next week?",
    "We walked along the river until it was dark, and nobody said a word about the house.",
    "Total due: $1,284.50 by 31 March 2024. Late payments carry interest at 1.5 % a month.",
    "My sister's wedding is on the 14th, so I can't come to the conference in Lyon.",
    "The patient reports mild headaches in the morning, no fever, no nausea; blood pressure 128/82.",
    "She sold the boat, bought a bicycle, and never spoke of the sea again.",
    "Please find attached the signed lease. The keys are with the neighbour on the second floor.",
    "Minutes of the meeting: 1. budget approved; 2. fence to be painted; 3. no other business.",
    "It rained all day. It rained all night. In the morning the cellar was full of water.",
    "To be, or not to be, that is the question.",
    "Preheat the oven to 220 °C, slice the onions thinly, and let them sweat in butter for ten minutes.",
    "The quick brown fox jumps over the lazy dog.",
    "He said: \"I'll be there at six\" -- and he was, at six in the morning.",
    "Our flight was cancelled, the hotel was full, and the last train had left.",
    "Nothing in this agreement limits liability for death or personal injury caused by negligence.",
    "Grandmother kept the letters in a biscuit tin under the bed, tied with a blue ribbon.",
    "Salary review: grade 7, step 3, with effect from the first of April.",
    "Turn left at the church, then straight on for two miles; the farm is behind the poplars.",
    "I have not slept since Tuesday.",
    "The committee regrets to inform you that your application was not successful on this occasion.",
    "Happy birthday, old friend! Fifty already -- who would have thought?",
    "The experiment was repeated three times with the same result, within the error of the instrument.",
    "What a beautiful morning; what a terrible day.",
    "Password reset requested for your account. If this was not you, ignore this message.",
    "Two tickets to Edinburgh, return, travelling on the 9:30.",
    "They found the cat in the attic, asleep on a pile of old newspapers.",
    "Interest rates rose by a quarter point, and the markets hardly noticed.",
]
FRENCH = [
    "Le vent d'été souffle à travers les oliviers ; ça sent déjà la pluie, n'est-ce pas ?",
    "Les amandiers sont en fleurs.",
    "Mon cher Théo, merci de ta lettre et du billet de cinquante francs qu'elle contenait.",
    "Où est passée la clé de la cave ?",
    "Il pleut sur Nantes, donne-moi la main ; le ciel de Nantes rend mon cœur chagrin.",
    "Veuillez agréer, Madame, Monsieur, l'expression de mes salutations distinguées.",
    "Le prix de l'électricité a augmenté de 15 % depuis janvier.",
    "Garçon, l'addition, s'il vous plaît !",
    "Ma grand-mère gardait ses lettres dans une boîte à biscuits, sous le lit.",
    "L'assemblée générale aura lieu le 12 mars à 18 h 30, salle Jean-Moulin.",
    "À bientôt, et n'oublie pas le goûter des enfants.",
    "Ceci n'est pas une pipe.",
    "Longtemps, je me suis couché de bonne heure.",
    "Le patient présente une légère fièvre et des maux de tête depuis deux jours.",
    "Résiliation du contrat n° 48-217 : préavis d'un mois à compter de la réception.",
    "Ça va ? -- Ça va, et toi ?",
    "Nous avons pris le train de nuit jusqu'à Briançon, puis marché jusqu'au refuge.",
    "L'œuvre complète de l'auteur paraîtra à l'automne.",
    "Tournez à gauche après l'église, la ferme est derrière les peupliers.",
    "Objet : demande de congé du 3 au 17 août",
    "Les sanglots longs des violons de l'automne blessent mon cœur d'une langueur monotone.",
    "Je t'embrasse très fort.",
    "AVIS DE COUPURE D'EAU : mardi de 9 h à 12 h.",
    "Le loyer de novembre n'a pas encore été réglé.",
    "Noël approche, il faut penser aux cadeaux, à la dinde et au sapin.",
]
OTHERS = [
    "東京で会いましょう。Привет, как дела? مرحبا بالعالم",
    "Die Straße war naß, und über den Dächern hing dichter Nebel.",
    "Donaudampfschifffahrtsgesellschaftskapitän",
    "Mañana por la mañana iremos al médico con la niña.",
    "Nel mezzo del cammin di nostra vita mi ritrovai per una selva oscura.",
    "Всё смешалось в доме Облонских.",
    "Зустрінемось завтра біля вокзалу о п'ятій.",
    "吾輩は猫である。名前はまだ無い。",
    "床前明月光,疑是地上霜。举头望明月,低头思故乡。",
    "안녕하세요, 오늘 날씨가 참 좋네요.",
    "السلام عليكم ورحمة الله وبركاته",
    "בראשית ברא אלוהים את השמים ואת הארץ",
    "नमस्ते, आप कैसे हैं?",
    "Η θάλασσα ήταν ήρεμη εκείνο το πρωί.",
    "Zażółć gęślą jaźń.",
    "İstanbul'da kar yağıyor, okullar tatil.",
    "Hôm nay trời mưa to, tôi ở nhà đọc sách.",
    "สวัสดีครับ วันนี้อากาศร้อนมาก",
    "Hyvää huomenta! Kahvi on valmista.",
    "Příliš žluťoučký kůň úpěl ďábelské ódy.",
    "Á sumrin er bjart allan sólarhringinn.",
    "Amanhã vou à praia com os meus irmãos.",
    "De kat zit op de vensterbank en kijkt naar de regen.",
    "Ἄνδρα μοι ἔννεπε, Μοῦσα, πολύτροπον",
    "Gallia est omnis divisa in partes tres.",
]
EMOJI = [
    "🚀",
    "Ship it 🚀🚀 — see you at 18:30, bring 3.5 kg of apples & the USB-C cable!!",
    "😀😃😄😁😆😅🤣😂🙂🙃",
    "👨‍👩‍👧‍👦 family dinner tonight",
    "I ❤️ Paris 🇫🇷 and 🥐",
    "👍🏽👍🏿👍🏻",
    "Happy birthday 🎂🎉🎈!!!",
    ":-) ;-) :D <3 ¯\\_(ツ)_/¯",
    "🏳️‍🌈🏴‍☠️",
    "meeting moved ➡️ 3️⃣ pm ⏰",
    "😭😭😭 my phone is dead",
    "☀️🌤⛅️🌥☁️🌦🌧⛈🌩🌨",
    "ok 👌",
    "(╯°□°)╯︵ ┻━┻",
    "✅ done ❌ not done",
]
CODE = [
    'fn main() {\n    let total: u64 = (0..10).map(|n| n * n).sum();\n    println!("{total}");\n}',
    "def fib(n):\n    a, b = 0, 1\n    for _ in range(n):\n        a, b = b, a + b\n    return a\n",
    "#include <stdio.h>\nint main(void) { printf(\"hello, world\\n\"); return 0; }",
    "SELECT name, SUM(amount) FROM orders WHERE year = 2024 GROUP BY name HAVING SUM(amount) > 1000;",
    "<!DOCTYPE html><html><body><h1>It works</h1><p class=\"x\">a &amp; b</p></body></html>",
    '{"id": 7, "tags": ["a", "b"], "nested": {"null": null, "true": true}, "pi": 3.14159}',
    "for f in *.txt; do mv \"$f\" \"${f%.txt}.md\"; done",
    "diff --git a/x b/x\n@@ -1,2 +1,2 @@\n-old line\n+new line\n same",
    "const sum = (xs) => xs.reduce((a, b) => a + b, 0);",
    "thread 'main' panicked at src/main.rs:3:5:\nindex out of bounds: the len is 3 but the index is 7",
    "Traceback (most recent call last):\n  File \"a.py\", line 1, in <module>\nKeyError: 'x'",
    "2024-03-31T01:59:59Z WARN  server: connection reset by peer (127.0.0.1:51234)",
    "\\begin{equation} E = mc^2 \\end{equation}",
    "a,b,c\n1,2,3\n\"x, y\",\"say \"\"hi\"\"\",\n",
    "--- \nname: build\non: [push]\njobs:\n  test:\n    runs-on: debian\n",
    "| a | b |\n|---|---|\n| 1 | **2** |",
    "git commit -m 'Say what was wrong' && git push --force-with-lease",
    "std::vector<std::unique_ptr<Node>> nodes; nodes.reserve(1 << 20);",
    "^(?:[a-z0-9!#$%&'*+/=?^_`{|}~-]+)@(?:[a-z0-9-]+\\.)+[a-z]{2,}$",
    "mov rax, [rbp-8]\nadd rax, 1\nret",
    "contract C { mapping(address => uint256) public balance; }",
    "0x5FbDB2315678afecb367f032d93F642f64180aa3",
    "-----BEGIN CERTIFICATE-----\nMIIBszCCAVmgAwIBAgIUQ\n-----END CERTIFICATE-----",
    "SGVsbG8sIHdvcmxkISBUaGlzIGlzIGJhc2U2NC4=",
    "λx.λy.x y ∀ε>0 ∃δ>0 : |x−a|<δ ⇒ |f(x)−f(a)|<ε",
]
ODD = [
    "antidisestablishmentarianism " + "a" * 150 + " supercalifragilisticexpialidocious",
    "a" * 101,
    "!!!???...,,,;;;:::",
    "https://example.org/a/very/long/path?with=query&and=more#fragment",
    "jane.doe+test@example.co.uk",
    "+33 1 23 45 67 89",
    "FR76 3000 6000 0112 3456 7890 189",
    "[CLS] [SEP] [MASK] [PAD] [UNK]",
    "##ing ##ed ##s",
    "e\u0301te\u0301 and \u00e9t\u00e9",
    "ﬁne ﬂow oﬃce",
    "ＦＵＬＬ ｗｉｄｔｈ",
    "𝔉𝔯𝔞𝔨𝔱𝔲𝔯 𝓈𝒸𝓇𝒾𝓅𝓉",
    "Z̷a̴l̶g̸o̷",
    "a\u200bb\u200cc\u200dd",
    "\u202eright to left\u202c left to right",
    "null\x00byte and bell\x07",
    "tab\tseparated\tvalues",
    "3.14159265358979323846264338327950288419716939937510",
    "1/2 + 1/3 = 5/6, x² + y² = z², 10⁻³",
    "…—–‐‑‘’“”«»‹›„",
    "½ ¼ ¾ © ® ™ € £ ¥ § ¶",
    "\ud7ff\ue000\ufffd",
    "a" + "\u0300" * 40,
    "one\u2028two\u2029three",
]
SENTENCE = "On day {} of the journey we walked {} miles, slept badly, and wrote to nobody."
LONG = [
    (" ".join(SENTENCE.format(n, n * 3) for n in range(1, 13)), 1),
    (" ".join(SENTENCE.format(n, n * 3) for n in range(1, 41)), 1),
    # 254 words of the text's own fill one window, 255 begin a second one, 508 fill it.
    ("sea ", 253), ("sea ", 254), ("sea ", 255), ("sea ", 256), ("sea ", 508), ("sea ", 509),
    ("money and letters, ", 100),
    ("Les amandiers sont en fleurs. ", 60),
    ("東京", 400),
    ("🚀 ", 300),
    ("let x = 1;\n", 90),
    ("a", 3_000),
    ("The almond trees are in bloom. Dear Theo, thank you for your letter. ", 40),
    ("Привет, как дела? ", 60),
    (".", 600),
    (" ", 70_000),
    # More than 32 windows; more than 65,536 bytes, whose last is in the middle of a character; both.
    ("The harbor and the sea. ", 1_500),
    ("€ governments administration ", 2_200),
    ("word ", 14_000),
    ("\n\n", 400),
    ("1234567890 ", 120),
]


def texts():
    short = [*EMPTY, *WORDS, *ENGLISH, *FRENCH, *OTHERS, *EMOJI, *CODE, *ODD]
    found = [(text, 1) for text in short] + LONG
    assert len(found) == 200 and len(set(found)) == 200, len(found)
    return found


def vector(model, text):
    head = text.encode()[:BYTES].decode(errors="ignore")
    windows = model.tokenizer(
        head, truncation=True, max_length=TOKENS, stride=0, return_overflowing_tokens=True, return_attention_mask=True
    )["input_ids"][:WINDOWS]
    vectors, weights = [], []
    for ids in windows:
        ids = torch.tensor([ids])
        features = {"input_ids": ids, "attention_mask": torch.ones_like(ids), "token_type_ids": torch.zeros_like(ids)}
        with torch.inference_mode():
            vectors.append(model(features)["sentence_embedding"][0].numpy().astype(numpy.float64))
        weights.append(ids.shape[1] - 2)
    if len(vectors) == 1:
        return vectors[0].astype(numpy.float32), 1
    mean = sum(weight * vector for weight, vector in zip(weights, vectors))
    return (mean / numpy.linalg.norm(mean)).astype(numpy.float32), len(vectors)


def main() -> None:
    folder = sys.argv[1]
    torch.set_num_threads(1)
    encoder = models.Transformer(folder, max_seq_length=TOKENS)
    pooling = models.Pooling(encoder.get_word_embedding_dimension(), pooling_mode="mean")
    model = SentenceTransformer(modules=[encoder, pooling, models.Normalize()], device="cpu").eval()
    cases, rows = [], []
    for text, times in texts():
        row, windows = vector(model, text * times)
        if windows == 1:
            # The whole way through the library gives the same.
            assert numpy.abs(model.encode([text * times], batch_size=1)[0] - row).max() < 1e-6, text
        cases.append({"text": text, "times": times, "windows": windows})
        rows.append(row)
    made = (
        f"sentence-transformers {sentence_transformers.__version__}, transformers {transformers.__version__}, "
        f"torch {torch.__version__}, CPU, float32; see golden.py"
    )
    lines = ",\n".join(json.dumps(case, ensure_ascii=True) for case in cases)
    (HERE / "golden.json").write_text(f'{{"made_with": {json.dumps(made)}, "cases": [\n{lines}\n]}}\n')
    save_file({"embeddings": numpy.stack(rows)}, HERE / "golden.safetensors")


main()
