// Reads calls as JSON, runs each with its values bound by node-postgres, writes the answers as JSON.
const { Client } = require("pg");

const bound = (value) => value?.json ?? value?.time ?? value;

async function answer({ sql, values }) {
  const client = new Client({ host: process.env.PGHOST, database: process.env.PGDATABASE, user: process.env.PGUSER });
  await client.connect();
  try {
    await client.query("BEGIN");
    const { rows } = await client.query({ text: sql, values: values.map(bound), rowMode: "array" });
    return rows[0][0];
  } catch (error) {
    return `error ${error.code ?? error.message}`;
  } finally {
    await client.end();
  }
}

async function main() {
  const chunks = [];
  for await (const chunk of process.stdin) chunks.push(chunk);
  const answers = [];
  for (const call of JSON.parse(Buffer.concat(chunks).toString())) answers.push(await answer(call));
  process.stdout.write(JSON.stringify(answers));
}

main();
