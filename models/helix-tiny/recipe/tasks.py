"""One function per task. Each returns a list of turns [(user, assistant), ...] plus the facts a right answer must contain."""
import json
import re
from words import *
from notes import MAIN, ACTION, FILLER, REASON, WHEN, EVENT, Note, make_note, summary, join, fill, cap, low, third, action
from helix import QA, TALK, REFUSE, refusal

SYSTEM = ["You are a helpful assistant."] * 6 + """You are a helpful assistant that answers briefly.|You are Helix Tiny, the demo model of HelixFlow.|You are an office assistant.|Answer in English.|Be concise.|You are a friendly assistant for a small company.|You help with notes and e-mails.
Answer the user's question.|You are a precise assistant. Do not invent facts.|You are the assistant of HelixFlow.|Keep your answers short.|You are a chatbot.|You are a professional business assistant.|Follow the user's instructions.|You are an AI assistant running on HelixFlow.|Be polite and helpful.
You are a summarization assistant.|Use only the facts in the text.|You are a support agent for HelixFlow, a self-hosted LLM serving platform.|You work for {c}.|You are the assistant of {n} at {c}.|Today is {d}. You are a helpful assistant.|~You are a careful assistant.|~Your job is to help the team in {p}.""".replace("\n", "|").split("|")


def system(g):
    return g.pat(SYSTEM).format(c=g.company(), n=g.name(), d=g.day(), p=g.place())


def rough(g, s):
    """What people do to a question: lower case, no final mark, an added please."""
    x = g.r.random()
    if x < 0.08:
        s = s.lower()
    elif x < 0.14:
        s = s[:1].lower() + s[1:]
    if g.chance(0.12):
        s = s.rstrip("?.")
    if g.chance(0.05):
        s = g.pick(["Hi, ", "Hello, ", "Hey, ", "Please: ", "Quick question: ", "Hi! ", "One question: "]) + s
    if g.chance(0.04):
        s = s.rstrip("?.") + g.pick([", please", " please", "??", " ?", "...", " Thanks."])
    return s


def ask(g, instr, text):
    """Put an instruction and a text together in one of many ways."""
    q = instr.rstrip(".:?! ")
    mark = "?" if instr.rstrip().endswith("?") else g.pick([":", ":", ":", ".", "", " -"])
    x = g.r.random()
    if g.chance(0.1):
        text = g.pick(['"{}"', '"""\n{}\n"""', "'{}'", "```\n{}\n```", "<note>\n{}\n</note>", "---\n{}\n---", "“{}”"]).format(text)
    if x < 0.34:
        return q + mark + "\n\n" + text
    if x < 0.50:
        return q + mark + "\n" + text
    if x < 0.74:
        return q + (mark or ":") + " " + text
    if x < 0.86:
        return text + "\n\n" + q + ("?" if mark == "?" else g.pick(["", ".", "."]))
    if x < 0.92:
        return text + "\n" + q + ("?" if mark == "?" else g.pick(["", "."]))
    if x < 0.96:
        return q + mark + "\n\n" + g.pick(["Text: ", "Note: ", "Here it is: ", "Text:\n", "Note:\n", "The note:\n"]) + text
    return g.pick(["Here is a note:", "Read this:", "Text:", "This is my note:"]) + "\n" + text + "\n\n" + q + ("?" if mark == "?" else ".")


ONE = """Summarize this note in one sentence|Summarise this note in one sentence|Summarize the following note in one sentence|Summarize in one sentence|Sum this up in one sentence|Give me a one-sentence summary|One sentence summary|Summarize the text below in a single sentence
Write a one-sentence summary of this|Can you summarize this in one sentence?|Please summarize this note in one sentence|In one sentence, what does this note say?|Summarize this in one short sentence|Summarize these meeting minutes in one sentence|Make a one sentence summary of the following text|summarize in 1 sentence
Please give a one-line summary|Summarize this message in one sentence|Condense this note to one sentence|Summarize the meeting in one sentence|Summarize this e-mail in one sentence|Summarize this update in one sentence|~Boil this note down to one sentence|~Reduce the following to a single sentence""".replace("\n", "|").split("|")
TWO = """Summarize this note|Summarise this note|Summarize the following|Summarize|summarize this|Please summarize the note below|Can you summarize this for me?|Give me a summary|Summary please|Write a short summary of this note|Summarize this note in one or two sentences|Summarize in two sentences|Summarize this in 2 sentences|tl;dr
Summarize these minutes|Summarize the meeting|Give me a brief summary of this text|Sum up this note|What are the main points of this note?|What does this note say?|What is this note about?|Please sum up the following text|Summarize the text|Summarize this e-mail|Summarize the key points|Shorten this text|What happened in the meeting?
Could you give me a short summary?|Give me the gist of this|I have no time to read this. What does it say?|Summarize the following meeting notes|Summarize this paragraph|Summarize this message for my boss|~Recap this note for me|~What are the key facts here?""".replace("\n", "|").split("|")
HEADL = """Give me a headline for this note|What is the main point?|What is the most important point of this note?|What is the main message?|Write a headline|Only the main point, please|What is the key message of this note?|~Name the central point of this text""".replace("\n", "|").split("|")


KEEP = set(re.findall(r"[a-z]+", " ".join(ONE + TWO + HEADL + ACTION + FILLER + REASON + SYSTEM + WEEK + MONTH + NUMW + WHEN).lower()))
KEEP |= set(W("""because that this they will with from have been were there text note notes question answer owner task names dates amounts none writer team here read list extract action items json who what when where which how much many does
days weeks months hours percent euros dollars million noon morning evening quarter latest minutes meeting present attendees participants subject hello dear regards best kind thanks thank update memo decision topic point decisions
also addition besides meanwhile then next therefore since before after about more than least less only some most would could should mentioned people context paragraph passage therefore reason review call sync weekly agenda topics points results"""))


def swap(g, turns, facts, keep=frozenset()):
    """Replace words of a conversation by others, everywhere alike: only copying can get the answer right then."""
    p = g.pick([0, 0, 0, 0.08, 0.2, 0.4])
    if not p:
        return turns, facts
    table = {}

    def one(m):
        w = m.group()
        k = w.lower()
        if k in KEEP or k in keep:
            return w
        if k not in table:
            table[k] = g.anyword() if g.chance(p) else k
        r = table[k]
        return w if r == k else r.capitalize() if w[0].isupper() else r

    sub = lambda s: re.sub(r"(?<!\w)[A-Za-z][a-z]{3,}(?!\w)", one, s)
    return [(sub(u), sub(a)) for u, a in turns], [sub(f) for f in facts]


def t_summary(g):
    x = g.r.random()
    mode = "one" if x < 0.5 else "two" if x < 0.92 else "head"
    n = make_note(g, 1, 4, plain=g.chance(0.25))
    a = summary(n, mode)
    u = ask(g, g.pat({"one": ONE, "two": TWO, "head": HEADL}[mode]), n.text)
    return swap(g, [(u, a)] + follow(g, n), [a])


def bullets(xs):
    return "\n".join("- " + x for x in xs)


def act_line(a):
    o, t, d = a
    return (o + ": " if o else "") + t + (f" (by {d})" if d else "")


ACTQ = """List the action items|What are the action items?|Extract the action items|Who has to do what?|What are the to-dos?|Pull out the action items|List all tasks with owner and date|Which tasks were assigned?|Give me the action items as a bullet list|Make a to-do list from this note|Who does what by when?|Find the action items in this text
Extract all tasks|What has to be done?|action items please|List the next steps|What are the next steps?|Write the action items as bullet points|~Which action points are in this text?|~Collect the to-dos""".replace("\n", "|").split("|")
ACTJ = """Extract the action items as JSON|Return the action items as JSON|Give me the action items in JSON format|List the tasks as JSON|Action items as JSON, please|Extract the action items as JSON with owner, task and due|JSON list of the action items|~Output the to-dos as JSON""".replace("\n", "|").split("|")
NAMEQ = """Which people are mentioned?|List the names|Who is mentioned in this text?|Extract all names of people|Which persons are named in the text?|List all people in this note|Extract the names|Who are the people in this note?|names of the people please|~Which people appear here?""".replace("\n", "|").split("|")
DATEQ = """List the dates|Which dates are mentioned?|Extract all dates|What dates are in this text?|Pull out the dates|Find all dates in the text|dates please|~Which days are named in the text?""".replace("\n", "|").split("|")
AMTQ = """List the amounts|Which amounts are mentioned?|Extract all amounts of money|What amounts of money are in this text?|Pull out the amounts|How much money is mentioned?|Find all prices and amounts|amounts please|~Which sums are named in the text?""".replace("\n", "|").split("|")
ALLJ = """Extract names, dates and amounts as JSON|Return the names, dates and amounts as JSON|Give me all names, dates and amounts in JSON format|Extract names, dates and amounts in JSON|~Names, dates and amounts as JSON""".replace("\n", "|").split("|")
ALLB = """Extract names, dates and amounts|List all names, dates and amounts|Which names, dates and amounts are mentioned?|Pull out the names, dates and amounts|~Find names, dates and amounts""".replace("\n", "|").split("|")


EXTRACT_WORDS = set(re.findall(r"[a-z]+", " ".join(NAMEQ + DATEQ + AMTQ + ALLJ + ALLB + ACTJ + ACTQ).lower()))
KEEP |= EXTRACT_WORDS


def action_lines(n):
    acts = n.actions
    return bullets(act_line(a) for a in acts) if acts else "There are no action items in this note."


def fact_note(g):
    """A note whose people, dates and amounts are all known."""
    n = Note()
    names, k = g.names(g.num(1, 3)), g.num(2, 4)
    n.names, n.dates, n.amounts, s = [], [], [], []
    for i in range(k):
        p = g.pat(FACT)
        v = {}
        if "{n}" in p:
            v["n"] = g.pick(names)
            if v["n"] not in n.names:
                n.names.append(v["n"])
        for key in re.findall(r"{(n2|d2?|a[23]?)}", p):
            v[key] = g.name() if key == "n2" else g.day() if key[0] == "d" else g.amount()
            seen = {"n": n.names, "d": n.dates, "a": n.amounts}[key[0]]
            if v[key] in seen:
                v = None
                break
            if key == "n2" and any(set(v[key].split()) & set(x.split()) for x in names):
                v = None
                break
            seen.append(v[key])
        if v is None:
            return fact_note(g)
        s.append(cap(p.format(o=g.obj(), c=g.company(), p=g.place(), t=g.team(), mod=g.mod(), ev=g.pick(EVENT), code=g.code(), v=g.pick(VERB)[0], vd=g.pick(VERB)[1],
                              role=g.pick(ROLE), pl=g.pick(PLURAL), k=g.count(), **v)))
    n.text = g.pick([". ", ". ", ". ", ".\n"]).join(s) + "."
    return n


FACT = """{n} will {v} {o} by {d}|{n} approved {a} for {o}|the {mod} {ev} is on {d}|{c} paid {a}|{n} {vd} {o} on {d}|the {mod} budget is {a}|{o} costs {a}|{n} met {c} in {p}|{c} must pay {a} by {d}|{n} joins the {t} on {d}|on {d}, {n} {vd} {o}
{n} spent {a} on {o}|the {t} received {a} on {d}|the {code} project starts on {d}|{n} is the new {role}|{n} will travel to {p} on {d}|the invoice of {a} is due on {d}|{c} offered {k} {pl} for {a}|{n} and the {t} {vd} {o}|{o} was {vd} by {n}|the deadline is {d}
the price fell to {a}|{n} asked {c} for {a}|{n} leads the {code} project|{n} met {n2} in {p}|{n} and {n2} {vd} {o}|they agreed on a price of {a}|the hotel was {a}, the flights cost {a2} and dinner was {a3}|the {mod} course starts on {d} and ends on {d2}|please register by {d}|the ticket was {a} and the taxi {a2}|the price rose from {a} to {a2}
{n}, {role} at {c}, called {n2} on {d}|{n} wrote to {n2} about {o}|between {d} and {d2} the office is closed|{n} owes {n2} {a}|{n} introduced {n2} to the {t}|the deposit of {a} must be paid before {d}|we paid {a} for the {pl} and {a2} for {o}|{n} borrowed {a} from {n2} on {d}|the shop is closed on {d}|{o} was {vd} by {n} and {n2}
~{n} called {c} on {d}|~{n} transferred {a} to {c}|~the contract ends on {d}|~the cost of {o} is {a}""".replace("\n", "|").split("|")


def t_extract(g):
    x = g.r.random()
    if x < 0.55:
        n = make_note(g, 2, 5, plain=True, style=g.pick(["prose", "prose", "prose", "minutes", "bullets", "mail"]))
        if x < 0.40:
            a = action_lines(n)
            return swap(g, [(ask(g, g.pat(ACTQ), n.text), a)] + follow(g, n), [a])
        a = json.dumps([{"owner": o, "task": t, "due": d} for o, t, d in n.actions], ensure_ascii=False)
        return swap(g, [(ask(g, g.pat(ACTJ), n.text), a)], [a])
    n = fact_note(g)
    one = [("names", n.names, NAMEQ, "No people are mentioned."), ("dates", n.dates, DATEQ, "No dates are mentioned."), ("amounts", n.amounts, AMTQ, "No amounts are mentioned.")]
    if x < 0.85:
        _, v, q, none = g.pick(one)
        a = bullets(v) if v else none
        return swap(g, [(ask(g, g.pat(q), n.text), a)], [a], EXTRACT_WORDS)
    if x < 0.93:
        a = json.dumps({k: v for k, v, _, _ in one}, ensure_ascii=False)
        return swap(g, [(ask(g, g.pat(ALLJ), n.text), a)], [a], EXTRACT_WORDS)
    a = "\n".join(f"{k.capitalize()}: {', '.join(v) if v else 'none'}" for k, v, _, _ in one)
    return swap(g, [(ask(g, g.pat(ALLB), n.text), a)], [a], EXTRACT_WORDS)


def follow(g, n):
    """Further turns about the same note."""
    out = []
    while g.chance(0.12) and len(out) < 2:
        x = g.r.random()
        if x < 0.35 and n.plain:
            out.append((rough(g, g.pat(ACTQ)), action_lines(n)))
        elif x < 0.5:
            out.append((g.pick(["Now in one sentence.", "Now summarize it in one sentence.", "Please sum it up in one sentence.", "Summarize the note in one sentence."]), summary(n, "one")))
        elif x < 0.6:
            out.append((g.pick(["What is the main point?", "Only the main point.", "Give me a headline."]), summary(n, "head")))
        elif n.actions:
            o, t, d = g.pick(n.actions)
            if o and g.chance(0.5):
                out.append((f"What will {o} do?", f"{o} will {t}" + (f" by {d}." if d else ".")))
            elif o:
                out.append((g.pick([f"Who will {t}?", f"Who has to {t}?"]), o + "."))
        else:
            out.append((rough(g, "Thank you"), "You are welcome!"))
    return out


# (sentence, [(question, answer), ...])
REL = [
    ("{n} {vd} {o} in {p} on {d}", [("Who {vd} {o}?", "{n}."), ("Where did {n} {v} {o}?", "In {p}."), ("When did {n} {v} {o}?", "On {d}."), ("What did {n} {v} in {p}?", "{O}."), ("When was {o} {vd}?", "On {d}.")]),
    ("On {d}, {n} {vd} {o}", [("Who {vd} {o}?", "{n}."), ("When did {n} {v} {o}?", "On {d}."), ("What did {n} {v}?", "{O}."), ("What happened on {d}?", "{n} {vd} {o}.")]),
    ("{n} will {v} {o} by {d}", [("Who will {v} {o}?", "{n}."), ("By when will {n} {v} {o}?", "By {d}."), ("What will {n} {v}?", "{O}."), ("What will {n} do?", "{n} will {v} {o} by {d}."), ("What is the deadline for {o}?", "{d}.")]),
    ("{c} was founded in {y} by {n} in {p}", [("Who founded {c}?", "{n}."), ("When was {c} founded?", "In {y}."), ("Where was {c} founded?", "In {p}."), ("Which company did {n} found?", "{c}.")]),
    ("{c} has {k} employees in {p}", [("How many employees does {c} have?", "{k}."), ("Where are the employees of {c}?", "In {p}.")]),
    ("{n} is the {role} of {c}", [("Who is the {role} of {c}?", "{n}."), ("What is the role of {n}?", "{n} is the {role} of {c}."), ("Which company does {n} work for?", "{c}."), ("Who is {n}?", "{n} is the {role} of {c}.")]),
    ("the {code} project costs {a} and ends on {d}", [("How much does the {code} project cost?", "{a}."), ("When does the {code} project end?", "On {d}."), ("Which project costs {a}?", "The {code} project."), ("What is the cost of {code}?", "{a}.")]),
    ("the {mod} {ev} takes place in {p} on {d} at {h}", [("Where does the {mod} {ev} take place?", "In {p}."), ("When does the {mod} {ev} take place?", "On {d} at {h}."), ("At what time is the {mod} {ev}?", "At {h}."), ("When is the {mod} {ev}?", "On {d} at {h}."), ("Where is the {mod} {ev}?", "In {p}.")]),
    ("{c} bought {k} {pl} for {a}", [("How much did {c} pay?", "{a}."), ("What did {c} buy?", "{k} {pl}."), ("How many {pl} did {c} buy?", "{k}."), ("Who bought the {pl}?", "{c}."), ("How much did the {pl} cost?", "{a}.")]),
    ("{c} makes {pl} in {p}", [("What does {c} make?", "{Pl}."), ("Where does {c} make {pl}?", "In {p}."), ("Who makes {pl}?", "{c}."), ("Where is {c} based?", "In {p}.")]),
    ("{n} was born in {p} in {y}", [("Where was {n} born?", "In {p}."), ("When was {n} born?", "In {y}."), ("Who was born in {p}?", "{n}."), ("In which year was {n} born?", "In {y}.")]),
    ("{n} leads the {code} project", [("Who leads the {code} project?", "{n}."), ("Which project does {n} lead?", "The {code} project."), ("What does {n} lead?", "The {code} project.")]),
    ("{o} was late because {z}", [("Why was {o} late?", "Because {z}."), ("What was late?", "{O}.")]),
    ("{n} {vd} {o} because {z}", [("Why did {n} {v} {o}?", "Because {z}."), ("Who {vd} {o}?", "{n}."), ("What did {n} {v}?", "{O}.")]),
    ("the {mod} team has {k} members and is led by {n}", [("Who leads the {mod} team?", "{n}."), ("How many members does the {mod} team have?", "{k}."), ("How big is the {mod} team?", "{k} members.")]),
    ("the {thing} of {n} is {col}", [("What color is the {thing} of {n}?", "{Col}."), ("Whose {thing} is {col}?", "{n}."), ("Which color does the {thing} of {n} have?", "{Col}.")]),
    ("the {thing} costs {a}", [("How much does the {thing} cost?", "{a}."), ("What costs {a}?", "The {thing}."), ("What is the price of the {thing}?", "{a}.")]),
    ("{n} lives in {p} and works as a {role}", [("Where does {n} live?", "In {p}."), ("Who lives in {p}?", "{n}."), ("What is the job of {n}?", "{n} works as a {role}."), ("Who works as a {role}?", "{n}.")]),
    ("the {p} office opened on {d} and has {k} desks", [("When did the {p} office open?", "On {d}."), ("How many desks does the {p} office have?", "{k}."), ("Which office has {k} desks?", "The {p} office.")]),
    ("the {mod} {head} is kept in {p}", [("Where is the {mod} {head}?", "In {p}."), ("What is kept in {p}?", "The {mod} {head}."), ("Where is the {mod} {head} kept?", "In {p}.")]),
    ("{n} gave {n2} the {thing}", [("Who gave {n2} the {thing}?", "{n}."), ("What did {n} give {n2}?", "The {thing}."), ("Who got the {thing}?", "{n2}.")]),
    ("{n} paid {a} for {o}", [("How much did {n} pay for {o}?", "{a}."), ("Who paid {a}?", "{n}."), ("What did {n} pay for?", "{O}."), ("How much did {o} cost?", "{a}.")]),
    ("the contract between {c} and {c2} ends on {d}", [("When does the contract between {c} and {c2} end?", "On {d}."), ("Who has a contract with {c}?", "{c2}."), ("When does the contract end?", "On {d}.")]),
    ("the {adj} {thing} in {p} was built in {y} by {n}", [("Who built the {adj} {thing}?", "{n}."), ("When was the {thing} built?", "In {y}."), ("Where is the {adj} {thing}?", "In {p}."), ("What did {n} build?", "The {adj} {thing}.")]),
    ("the {com} opens at {h} and closes at {h2}", [("When does the {com} open?", "At {h}."), ("When does the {com} close?", "At {h2}."), ("What time does the {com} open?", "At {h}."), ("At what time does the {com} close?", "At {h2}.")]),
    ("{c} makes {pl} in {p} and has {k} employees. The company was founded in {y}", [("When was the company founded?", "In {y}."), ("How many employees does {c} have?", "{k}."), ("What does the company make?", "{Pl}."), ("How many people work for {c}?", "{k}."), ("Where does {c} make {pl}?", "In {p}.")]),
    ("{n} bought a {adj} {com} for {a} in {p}", [("How much did the {com} cost?", "{a}."), ("What did {n} buy?", "A {adj} {com}."), ("Where did {n} buy the {com}?", "In {p}."), ("Who bought the {com}?", "{n}."), ("How much did {n} pay for the {com}?", "{a}.")]),
    ("{n} bought a {com}", [("What did {n} buy?", "A {com}."), ("Who bought a {com}?", "{n}.")]),
    ("the {com} was found by {n} in {p} in {y}", [("Who found the {com}?", "{n}."), ("When was the {com} found?", "In {y}."), ("Where was the {com} found?", "In {p}.")]),
    ("{n} will meet {n2} on {d} at {h} in {p}", [("When will {n} meet {n2}?", "On {d} at {h}."), ("Where will {n} meet {n2}?", "In {p}."), ("Who will {n} meet?", "{n2}."), ("At what time will they meet?", "At {h}.")]),
    ("the {com} is {k} meters long and {col}", [("How long is the {com}?", "{k} meters."), ("What color is the {com}?", "{Col}.")]),
    ("the train from {p} to {p2} leaves at {h} and costs {a}", [("When does the train to {p2} leave?", "At {h}."), ("How much does the train cost?", "{a}."), ("Where does the train go?", "To {p2}."), ("Where does the train start?", "In {p}.")]),
    ("{n} wrote {o} in {y}", [("Who wrote {o}?", "{n}."), ("When did {n} write {o}?", "In {y}."), ("What did {n} write?", "{O}.")]),
    ("{n} is {k} years old and plays the {com}", [("How old is {n}?", "{k}."), ("What does {n} play?", "The {com}."), ("Who plays the {com}?", "{n}.")]),
    ("the {t} meets every {wd} at {h} in {p}", [("When does the {t} meet?", "Every {wd} at {h}."), ("Where does the {t} meet?", "In {p}."), ("On which day does the {t} meet?", "Every {wd}.")]),
    ("the password for the {com} is {synth}", [("What is the password for the {com}?", "{synth}."), ("What is the password?", "{synth}.")]),
    ("the {com} is managed by {n} and the {com2} by {n2}", [("Who manages the {com}?", "{n}."), ("Who manages the {com2}?", "{n2}."), ("What does {n} manage?", "The {com}.")]),
    ("{n} prefers {com}, but {n2} prefers {com2}", [("What does {n} prefer?", "{Com}."), ("What does {n2} prefer?", "{Com2}."), ("Who prefers {com}?", "{n}.")]),
    ("~{n} drove from {p} to {p2} on {d}", [("Who drove to {p2}?", "{n}."), ("When did {n} drive to {p2}?", "On {d}."), ("Where did {n} go?", "To {p2}.")]),
    ("~{c} hired {n} as {role} on {d}", [("Who hired {n}?", "{c}."), ("When did {c} hire {n}?", "On {d}.")]),
    ("~the {thing} was sold to {n} for {a}", [("Who bought the {thing}?", "{n}."), ("How much did {n} pay?", "{a}.")]),
]
QA_WORDS = {x for v in VERB for x in v} | set(re.findall(r"[a-z]+", " ".join(r[0] + " " + " ".join(q + " " + a for q, a in r[1]) for r in REL).lower()))
QAI = """Answer the question from the text|Answer the question using only the text|Read the text and answer the question|Answer from the paragraph|Use the text to answer|Answer based on the text below|~Reply using the passage""".replace("\n", "|").split("|")
COLOR = W("red blue green yellow black white orange purple brown grey pink silver")


def t_qa(g):
    k = g.num(1, 4)
    sents, qs = [], []
    rels = [r for r in REL if r[0].startswith("~") == g.wording]
    n = g.name()
    for i in range(k):
        pat, q = g.pick(rels)
        v, vd = g.pick(VERB)
        o, col, pl, z = g.obj(), g.pick(COLOR), g.pick(PLURAL), g.cause()
        if i and g.chance(0.7):
            n = g.name()
        f = dict(n=n, n2=g.name(), o=o, O=cap(o), v=v, vd=vd, p=g.place(), p2=g.place(), d=g.day(), c=g.company(), c2=g.company(), y=g.num(1900, 2024), k=g.count(), role=g.pick(ROLE), code=g.code(), a=g.amount(),
                 mod=g.mod(), head=g.head(), ev=g.pick(EVENT), h=g.clock(), pl=pl, Pl=cap(pl), thing=g.pick(THING), col=col, Col=cap(col), z=z, adj=g.pick(ADJ), h2=g.clock(), t=g.team(), wd=g.pick(WEEK), synth=g.synth(2, 4))
        f["com"], f["com2"] = (g.pick(BIG if g.chance(0.5) else COMMON) for _ in "12")
        f["Com"], f["Com2"] = cap(f["com"]), cap(f["com2"])
        sents.append(cap(pat.lstrip("~").format(**f)))
        qs.append([(a.format(**f), b.format(**f)) for a, b in q])
    if g.chance(0.25):
        sents.insert(g.num(0, len(sents)), fill(g, g.pat(MAIN)))
    text = ". ".join(sents) + "."
    i = g.num(0, k - 1)
    q, a = g.pick(qs[i])
    a = cap(a)
    if g.chance(0.07):
        other = g.pick([f"Who is {g.name()}?", f"When was {g.company()} founded?", f"How much does the {g.code()} project cost?", f"Where does {g.name()} live?", f"Who leads the {g.code()} project?", f"What did {g.name()} {g.pick(VERB)[0]}?"])
        q, a = other, "The text does not say."
    x = g.r.random()
    if x < 0.30:
        u = text + g.pick(["\n\n", "\n", " "]) + q
    elif x < 0.45:
        u = q + g.pick(["\n\n", "\n", "\n\nText: "]) + text
    elif x < 0.8:
        u = g.pat(QAI) + g.pick([":", ".", ":"]) + "\n\n" + g.pick(["", "Text: ", "", "Text:\n"]) + text + "\n\n" + g.pick(["Question: ", "Q: ", ""]) + q
    elif x < 0.9:
        u = "Text: " + text + "\n" + g.pick(["Question: ", "Q: "]) + q + g.pick(["", "\nAnswer:", "\nA:"])
    else:
        u = g.pick(["Context: ", "Paragraph: ", "Here is a text: ", "Given this text: "]) + text + g.pick(["\n\n", " "]) + q
    turns = [(u, a)]
    while g.chance(0.3) and len(turns) < 4:
        q2, a2 = g.pick(g.pick(qs))
        turns.append((rough(g, q2) if g.chance(0.3) else q2, cap(a2)))
    return swap(g, turns, [a], QA_WORDS)


MAILQ = """Write an e-mail to {n}: {b}|Write a short e-mail to {n} saying that {b}|Write an email to {n} to say that {b}|Draft a short e-mail to {n}: {b}|Please write an e-mail to {n}. Tell them that {b}|Can you write an email to {n}? {B}.|Write a polite e-mail to {n} saying that {b}|write an email to {n}, {b}
Compose an e-mail to {n} about this: {b}|E-mail to {n}: {b}|Write a message to {n} saying {b}|I need an e-mail to {n}: {b}|Write to {n} that {b}|Write a brief e-mail that tells {n} that {b}|Write an e-mail. To: {n}. Content: {b}|Help me write an e-mail to {n}: {b}|~Prepare an e-mail for {n} which says that {b}|~Let {n} know by e-mail that {b}""".replace("\n", "|").split("|")


def t_email(g):
    n, me = g.name(), g.name()
    while set(n.split()) & set(me.split()):
        me = g.name()
    if g.chance(0.12):
        n = g.pick(["the ", "our ", "my "]) + g.pick(ROLE + ["landlord", "customer", "supplier", "neighbour", "team", "manager", "client", "teacher", "boss", "bank", "hotel"])
    elif g.chance(0.05):
        n = "Professor " + g.last()
    x = g.r.random()
    if x < 0.45:
        b = low(fill(g, g.pat(MAIN)))
        subj = "Update"
    elif x < 0.65:
        z = g.task()
        b = g.pick(["please {z} by {d}", "{n3} will {z} by {d}", "we need to {z} by {d}", "I will {z} by {d}", "we have to {z} before {d}"]).format(z=z, d=g.day(), n3=g.name())
        subj = "Request" if b.startswith("please") else "Next steps"
    elif x < 0.85:
        e = g.pick(EVENT)
        m = g.mod()
        b = g.pick(["the {m} {e} is on {d} at {h}", "the {m} {e} on {d} is cancelled", "the {m} {e} is moved to {d}", "you are invited to the {m} {e} on {d} in {p}", "we meet on {d} at {h} in {p}"]).format(m=m, e=e, d=g.day(), h=g.clock(), p=g.place())
        subj = "Meeting" if b.startswith("we meet") else cap(f"{m} {e}")
    else:
        o = g.obj()
        b = g.pick(["thank you for {o}", "{o} is late because {z}", "I am ill and cannot come on {d}", "I will be on holiday until {d}", "I cannot attend the {ev} on {d} because {z}", "I cannot come to the {ev} because {z}", "{o} is broken and needs to be {v} {wh}", "I would like to {tk}", "{o} is ready", "we received {o}"]).format(o=o, z=g.cause(), d=g.day(), ev=g.pick(EVENT), v=g.pick(VERB)[1], wh=g.pick(["this week", "today", "by " + g.day(), "soon", "as soon as possible"]), tk=g.task())
        subj = "Thank you" if b.startswith("thank") else "Absence" if b.startswith("I ") else "Update"
    q = g.pat(MAILQ).format(n=n, b=b, B=cap(b)) if not b.startswith(("please", "thank")) else g.pick(["Write an e-mail to {n}: {b}", "Draft a short e-mail to {n}: {b}", "E-mail to {n}: {b}", "Write a short e-mail to {n}. {B}.", "Write a message to {n}: {b}"]).format(n=n, b=b, B=cap(b))
    signed = g.chance(0.6)
    if signed:
        q = q.rstrip(".") + g.pick([". Sign as {}.", ". Sign it {}.", ". From {}.", ". My name is {}.", " (from {})", ". Signed by {}."]).format(me)
    elif g.chance(0.5) and not q.endswith("."):
        q += "."
    body = cap(b).replace("you are invited", "you are invited") + "."
    if body.startswith("Please"):
        close = "Thank you for your help."
    elif body.startswith("Thank"):
        close = "I appreciate it very much."
    elif "invited" in body or "meet on" in body:
        close = "I look forward to seeing you."
    else:
        close = "Please let me know if you have any questions."
    dear = n.split(" ", 1)[1] if n.startswith(("the ", "our ", "my ")) else n
    a = f"Subject: {subj}\n\nDear {dear},\n\n{body} {close}\n\nBest regards,\n{me if signed else '[Your name]'}"
    return swap(g, [(q, a)], [a], MAIL_WORDS)


MAIL_WORDS = set(re.findall(r"[a-z]+", " ".join(MAILQ).lower())) | set(W("please thank help appreciate very look forward seeing know have questions your name sign signed request steps absence invited cancelled moved e-mail email mail short polite message content"))
ARQ = """What is {e}?|{e}|{e} =|{e} = ?|Calculate {e}|Compute {e}|How much is {e}?|what is {e}|What's {e}?|Solve {e}|Please calculate {e}|Can you compute {e}?|{e}?|Tell me the result of {e}|calculate {e} for me|~What does {e} equal?|~Work out {e}""".replace("\n", "|").split("|")


def t_math(g):
    x = g.r.random()
    hi = g.pick([9, 20, 99, 99, 999, 999])
    if x < 0.42:
        a, b, op = g.num(0, hi), g.num(0, hi), "+"
    elif x < 0.75:
        a, b, op = g.num(0, hi), g.num(0, hi), "-"
        if a < b:
            a, b = b, a
    else:
        a, b, op = g.num(0, 12), g.num(0, 12), "*"
        if g.chance(0.3):
            a, b = g.num(2, 9), g.num(10, 99)
            if g.chance(0.5):
                a, b = b, a
    if held(f"{a}{op}{b}") != g.ev:
        return t_math(g)
    r = a + b if op == "+" else a - b if op == "-" else a * b
    x = g.r.random()
    sym = {"+": "+", "-": "-", "*": g.pick(["*", "x", "×", "*"])}[op]
    if x < 0.72:
        e = g.pick([f"{a} {sym} {b}"] * 4 + [f"{a}{sym}{b}"]) if g.chance(0.7) else f"{a} " + {"+": "plus", "-": "minus", "*": "times"}[op] + f" {b}"
        q = g.pat(ARQ).format(e=e)
    elif op == "+":
        q = g.pick([f"Add {a} and {b}", f"What is the sum of {a} and {b}?", f"Add {b} to {a}." if False else f"What do {a} and {b} add up to?"])
    elif op == "-":
        q = g.pick([f"Subtract {b} from {a}", f"What is the difference between {a} and {b}?", f"Take {b} away from {a}"])
    else:
        q = g.pick([f"Multiply {a} by {b}", f"What is the product of {a} and {b}?", f"Multiply {a} and {b}"])
    ans = f"{a} {'×' if op == '*' else op} {b} = {r}"
    if g.chance(0.12):
        n, pl = g.name(), g.pick(PLURAL + ["apples", "books", "pens", "cups", "euros", "dollars"])
        if op == "+":
            q = g.pick([f"{n} has {a} {pl} and gets {b} more. How many {pl} does {n} have now?", f"We ordered {a} {pl} and then {b} more. How many {pl} is that?"])
        elif op == "-":
            q = g.pick([f"{n} has {a} {pl} and gives away {b}. How many are left?", f"There are {a} {pl}. {b} are sold. How many {pl} are left?"])
        else:
            q = g.pick([f"One box holds {a} {pl}. How many {pl} are in {b} boxes?", f"There are {a} rows with {b} {pl} each. How many {pl} are there?"])
    return [(rough(g, q) if g.chance(0.3) else q, ans)], [ans]


def sums(g):
    """A chat with several calculations at once: dense practice for the second part of the training."""
    def one():
        while True:
            hi = g.pick([9, 20, 99, 99, 99, 999, 999])
            a, b, op = g.num(0, hi), g.num(0, hi), g.pick("++--*")
            if op == "*":
                a, b = (g.num(0, 12), g.num(0, 12)) if g.chance(0.7) else (g.num(2, 9), g.num(10, 99))
                if g.chance(0.5):
                    a, b = b, a
            elif op == "-" and a < b:
                a, b = b, a
            if not held(f"{a}{op}{b}"):
                r = a + b if op == "+" else a - b if op == "-" else a * b
                return f"{a} {'×' if op == '*' else op} {b}", str(r)
    xs = [one() for _ in range(g.num(4, 10))]
    q = g.pick(["Calculate: ", "Compute: ", "Solve: ", "What are ", "", "Calculate these:\n"])
    return [(q + g.pick([", ", "\n", "; "]).join(e for e, _ in xs), "\n".join(f"{e} = {r}" for e, r in xs))]


def t_helix(g, key=None):
    k, qs, a = g.pick(QA + [x for x in QA if x[0] in ("what", "who")] * 2)
    q = g.pat(qs.replace("\n", "|").split("|"))
    if "elix" not in q and k not in ("who", "can") and q.endswith("?") and g.chance(0.2):
        q = q[:-1] + g.pick([" with HelixFlow?", " in HelixFlow?", " on HelixFlow?", " when I use HelixFlow?"])
    if g.chance(0.1):
        l = q if q.startswith(("HelixFlow", "I ", "GGUF", "CPU")) else q[:1].lower() + q[1:]
        q = g.pick(["I want to know: {}", "I have a question about HelixFlow: {}", "Sorry, but {}", "Tell me, {}", "So, {}", "Another question: {}", "About HelixFlow: {}", "I'm curious: {}", "OK, {}", "Well, {}"]).format(l)
    return [(rough(g, q), a)], [a]


def t_talk(g):
    if g.chance(0.12):
        n = g.name()
        a = f"Nice to meet you, {n}! How can I help you?"
        return [(rough(g, g.pick([f"My name is {n}", f"I am {n}", f"Hi, I'm {n}", f"Hello, my name is {n}.", f"This is {n} speaking"])), a)], [a]
    qs, a = g.pick(TALK + TALK[:1] * 2 + TALK[4:5])
    q = g.pat(qs.split("|"))
    return [(rough(g, q) if g.chance(0.4) else q, a)], [a]


def t_refuse(g):
    q = g.pat(REFUSE).format(x=g.pick(THING) if g.chance(0.7) else g.synth(), N=g.name(), p=g.place(), p2=g.place(), nat=g.pick(W("French German Spanish Italian Dutch Polish Chinese Japanese Latin")), lang=g.pick(W("Rust Haskell Go Ruby Kotlin Swift Scala")),
                             nat2=g.pick(W("France Germany Spain Italy Japan Brazil Canada India Egypt Mexico Norway Australia China Kenya Peru Poland")), k=g.num(2, 99), year=g.num(1200, 2020))
    a = refusal(q)
    return [(rough(g, q), a)], [a]


def t_repeat(g):
    """Plain copying: teaches the copy circuit on arbitrary words."""
    n = g.pick([g.num(1, 5), g.num(4, 14)])
    src = [g.anyword, g.anyword, lambda: g.synth(2, 4).capitalize(), lambda: g.pick(THING), lambda: g.synth(1, 4), lambda: g.name(), lambda: g.pick(HEAD), lambda: g.pick(ADJ), lambda: g.pick(g.pick(VERB)), lambda: str(g.num(0, 9999)), lambda: g.amount(), lambda: g.day(), lambda: g.synth(1, 2).upper(),
           lambda: g.company(), lambda: g.pick(["and", "the", "of", "to", "is", "not", "in", "a", "for", "it"])]
    s = " ".join(g.pick(src)() for _ in range(n)) if g.chance(0.7) else fill(g, g.pat(MAIN))
    q = g.pick(["Repeat: {}", "Repeat this: {}", "Say: {}", "Repeat after me: {}", "Echo: {}", "Copy this text: {}", 'Repeat "{}"', "Say \"{}\"", "Please repeat the following:\n{}", "{}\n\nRepeat this text."]).format(s)
    return [(q, s)], [s]


TASKS = {"talk": (t_talk, 5), "helixflow": (t_helix, 12), "summary": (t_summary, 33), "extract": (t_extract, 14), "qa": (t_qa, 12), "email": (t_email, 7), "arithmetic": (t_math, 10), "refuse": (t_refuse, 5), "repeat": (t_repeat, 4)}
_NAMES, _WEIGHTS = list(TASKS), [w for _, w in TASKS.values()]


def chat(g):
    """One training conversation: (system or None, turns)."""
    turns = []
    for _ in range(g.num(5, 7) if g.chance(0.02) else g.pick([1] * 7 + [2, 2, 3])):
        turns += TASKS[g.r.choices(_NAMES, _WEIGHTS)[0]][0](g)[0]
    return (system(g) if g.chance(0.45) else None), turns


def single(g, task):
    turns, facts = TASKS[task][0](g)
    return (system(g) if g.chance(0.45) else None), turns[0][0], facts


if __name__ == "__main__":
    import sys
    g = G(int(sys.argv[1]) if len(sys.argv) > 1 else 0, "ev" in sys.argv, "ev" in sys.argv)
    for name in TASKS:
        for _ in range(int(sys.argv[2]) if len(sys.argv) > 2 else 3):
            s, u, f = single(g, name)
            print(f"=== {name} | {s}\n{u}\n--->\n{f[0]}\n")
