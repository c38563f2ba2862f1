//! Prints a new golden vault in the form of `vectors/golden-1.txt`, for a new version of the format.

use std::fs;
use std::path::Path;

use vault::{KdfCost, Secret, Vault};

const PASSPHRASE: &str = "rhubarb under the stairs";

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let dir = std::env::temp_dir().join(format!("golden-{}", std::process::id()));
    let text = "what is mine is mine to lend, ".repeat(30);
    let objects = [
        ("note", "first", "hello"),
        ("note", "empty", ""),
        ("note", "long", text.as_str()),
        ("setting", "theme", "dark"),
    ];
    let mut vault = Vault::create(&dir, &Secret::from(PASSPHRASE), &[0x5e; 32], KdfCost::FLOOR)?;
    vault.put("setting", "theme", &mut &b"light"[..])?;
    let removed = vault.put("note", "removed", &mut &b"gone"[..])?.id;
    vault.commit()?;
    vault.remove(&removed)?;
    println!("expect: ok\nabout: a vault as the first release of format 1 wrote it");
    println!("passphrase: {PASSPHRASE}\nrecovery: {}", "5e".repeat(32));
    for (kind, name, content) in objects {
        vault.put(kind, name, &mut content.as_bytes())?;
        println!("object: {kind} {name} {}", hex::encode(content));
    }
    vault.commit()?;
    drop(vault);
    for file in ["header", "head"] {
        print_file(&dir, file)?;
    }
    for item in fs::read_dir(dir.join("packs"))? {
        print_file(&dir, &format!("packs/{}", item?.file_name().to_string_lossy()))?;
    }
    fs::remove_dir_all(&dir)?;
    Ok(())
}

fn print_file(dir: &Path, name: &str) -> std::io::Result<()> {
    println!("file: {name}");
    let bytes = fs::read(dir.join(name))?;
    bytes.chunks(48).for_each(|line| println!("{}", hex::encode(line)));
    Ok(())
}
