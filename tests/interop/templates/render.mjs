// Renders templates with @huggingface/jinja: one JSON object {template, variables} per line in, {output} or {error} per line out.
import { createInterface } from "node:readline";
import { Template } from "@huggingface/jinja";

for await (const line of createInterface({ input: process.stdin })) {
  const { template, variables } = JSON.parse(line);
  try { console.log(JSON.stringify({ output: new Template(template).render(variables) })); }
  catch (error) { console.log(JSON.stringify({ error: String(error.message ?? error) })); }
}
