// Lets OpenAI's official client moderate texts on a server whose moderation model answers by a script, and prints what it saw as one line of JSON.
import { counts } from "../contract.mjs";
import OpenAI from "openai";

const client = new OpenAI({ baseURL: process.argv[2], apiKey: process.argv[3], maxRetries: 0 });
const flags = result => Object.entries(result.categories).filter(([, is]) => is).map(([name]) => name).sort();
const several = await client.moderations.create({ input: ["a good text", "a bad text"] });
const parts = await client.moderations.create({ model: "omni-moderation-latest", input: [{ type: "text", text: "bad" }, { type: "text", text: "text" }] });
const image = await client.moderations.create({ input: [{ type: "image_url", image_url: { url: "data:image/png;base64,AA==" } }] }).then(() => null, error => [error.status, error.param]);
await new Promise(resolve => setTimeout(resolve, 100)); // answers are checked as they are read
console.log(JSON.stringify({ several: several.results.map(result => [result.flagged, flags(result)]), parts: parts.results.map(result => [result.flagged, flags(result)]), image, checked: counts.responses }));
