"""Business notes and minutes: a note is a list of sentences, some of them key facts, the rest filler.

The summary rule is simple on purpose, so that it carries over to notes of other kinds: keep the key clauses in their order
and wording, join cause and effect with "because", turn "A to do X" into "A will do X" and "we" into "the team".
"""
from words import *

# main events; {..} filled by fill(). No final full stop.
MAIN = """The {code} project has been delayed by {s}|The {code} project will be delayed by {s}|The launch of {code} has moved from {d} to {d2}|The {mod} project is {s} behind schedule
The {code} release is postponed to {d}|The {code} rollout in {p} slipped by {s}|{code} will ship {s} late|The deadline for {o} is now {d}|The move to {p} has been pushed back to {d}
The {mod} budget was cut by {pc}|The {mod} budget for next year is {a}|The board approved a budget of {a} for {code}|The {t} will get {a} for {o}|{n} approved {a} for {o}
Finance rejected the request for {a}|The {t} is {a} over budget|We spent {a} on {o}|The costs of {code} rose from {a} to {a2}|The {mod} costs are {pc} above plan|{name_role} asked for {a} for {o}
{n} will join the {t} as {role} on {d}|The {t} will hire {k} people in {p}|{n} has been promoted to {role}|{n} is leaving the company on {d}|{n} starts as {role} in {p} on {d}|The {t} is looking for a {role}
The {mod} system was down for {s} on {d}|The {code} server failed on {d}|There was an outage in {p} on {d}|{k} customers could not {task}|The {mod} website was offline for {s}|The {mod} service stopped at {h} on {d}
{k} customers complained about {o}|{pc} of the customers like {o}|Customers in {p} want {o}|{c} is unhappy with {o}|Customer satisfaction rose to {pc}|{c} praised the {t}
In the {mod} {ev} on {d}, the {t} changed {o} from {a} to {a2}|In {mo}, the {t} raised the {mod} budget from {a} to {a2}|There will be {k} {pl} less in {p} than last year|There are not enough {pl} in {p}, so {n} {done}
{o} is still {adj}, although {n} {done}|Although {o} was {adj}, {c} {done}|The {thing} burst on {d} and {k} {pl} were ruined|A {thing} fell on {o}, and nobody was hurt|{k} {pl} are missing, but {c} will replace them|They like {o} but want a lower price|They want to {task}
Most people found {o} {adj}|Everyone preferred {n} because of the {adj} {head}|{n} has {k2} years of experience with the {mod} {head}|The candidate {n} impressed the {t}|{n} is talking to {c} about {o} and expects an answer {due}|{n} is working on {o} and hopes to finish by {due}
{n} is responsible for {o}|{n} is waiting for an answer from {c}|{n} has started to {task}|{n} has finished {o}, but {o2} is still open|Nobody has {v} {o} since {d}|{n} reported that {z}|{n} explained that {z}|{n} pointed out that {z}|The {t} reported that {z}
{c} told us that {z}|{c} will not deliver {o} before {d}|It was decided to {task}|It was agreed that {n} will {task}|It is planned to {task} in {mo}|Starting on {d}, all {pl} must be {v} by the {t}|From {d} on, {o} costs {a} instead of {a2}|From next {mo}, staff get {pc} off {o}
The {thing} on the {ord} floor opens on {d}|The {thing} will be open from {h} to {h2}|The {pl} arrived {s} late and cost {a} more than planned|We offered {c} a discount of {pc}|We offered {c} {o} for {a}|{c} wants a discount of {pc}|{c} accepted our offer of {a}|{c} rejected our offer
The lease for the {p} office ends in {mo}|The old {thing} is too {adj}, so the {t} will {task}|The average waiting time is now {k} minutes|{o} takes {s} longer than last year|{n} still had access to {o} until {d}|The account of {n} has been closed|Nobody was affected|Legal signed off on {o} on {d}
HR has told all employees about {o}|HR interviewed {k} candidates for the {role} role|Salaries will be paid {s} late|The board approved the purchase of {k} {pl}|The {pl} cost {a} in total and will arrive in {mo}|{k} people attended, and most of them liked {o}|A second {ev} will be offered in {mo} for those who missed it
Our {mod} provider had an outage {when}|Our biggest customer, {c}, {done}|Our {role}, {n}, {done}|{n}, our {role}, will {task}|{n} from {c} {done}|{n} of {c} visited us {when}|{when2}, {n} {done}|{when2}, {k} {pl} were {v} in {p}|{when2} we found out that {z}
About {k} {pl} were {v}|More than {k} customers {done}|At least {k} {pl} need to be {v}|Only {k} of {k3} {pl} passed the {mod} test|{k} out of {k3} customers chose {o}|Less than {pc} of the {pl} were {v}|Costs for {pl} went up by {pc} to {a}|{a} was spent on {o}, which is {a2} less than planned
The goal is to {task} by {due}|The plan is to {task} first and then to {task2}|The problem is that {z}|The main problem: {z}|The good news is that {z}|The bad news is that {z}|Unfortunately, {z}|As a result, {o} is {s} late|For now, {o} stays in {p}|{z}|{z}|{z}, so the {t} had to {task}
If {c} agrees, {n} will {task}|If {o} is not ready by {d}, the {t} must {task}|Once {o} is {v}, {n} will {task}|Until then, {c} will {task}|{n} hopes that {z}|{n} is afraid that {z}|{n} suggested to {task}, but {n2} wants to {task2}|{n} and {n2} disagree about {o}|{n} thanked {c} for {o} and asked for {o2}
{code} will be launched in {p} on {d}|{c} launched {code} on {d}|The new {mod} {head} goes live on {d}|We will start selling {code} in {p} on {d}|Sales of {code} reached {a} in {mo}|{k} customers ordered {code}
{c} signed a contract for {a}|The contract with {c} ends on {d}|We chose {c} to deliver {o}|{c} will supply {k} {pl} by {d}|{c} raised its price by {pc}|The contract with {c} was extended until {d}|{c} cancelled its order for {k} {pl}
{n} will travel to {p} on {d}|{n} and {n2} will visit {c} in {p} on {d}|The trip to {p} was cancelled|{n} met {c} in {p} on {d}|{n} visited the {p} office on {d}
Version {ver} of {code} was released on {d}|Version {ver} of {code} will be released on {d}|The {t} fixed {k} bugs in {code}|The {code} update has been rolled back
An attacker got access to {o}|{k} passwords were stolen on {d}|The {t} found a security hole in {o}|A laptop with {o} was stolen in {p}|A phishing e-mail reached {k} people in the {t}
The {p} office will move to {p2} on {d}|The {t} moves to the {ord} floor on {d}|The {p} office will close on {d}|We will open a new office in {p} on {d}|The {p} warehouse has been sold for {a}
The {mod} training takes place in {p} on {d}|All staff must finish the {mod} training by {d}|{n} will give a training on {o} on {d}|{k} people took part in the {mod} training
The {t} met on {d} and discussed {o}|The {t} decided to {task}|We decided to {task}|The team agreed to {task}|The board decided to {task}|{n} proposed to {task}|{n} and {n2} agreed to {task}|Management wants to {task}
{n} {done} on {d}|The {t} {done}|{c} {done}|{o} was {v} by {n} on {d}|{o} will be {v} on {d}|{o} has been {v}|{n} wants to {task}|The {t} plans to {task}|The {role} {done}|{o} is {adj}
The {mod} {ev} will take place in {p} on {d}|The {mod} {ev} was moved to {d} at {h}|The {mod} {ev} in {p} is cancelled|{k} guests will attend the {mod} {ev}|The next {ev} is on {d} at {h}|The {mod} {ev} raised {a}
Sales in {p} rose by {pc}|Sales fell by {pc} in {mo}|Revenue grew to {a}|We lost {k} customers in {mo}|{c} bought {c2} for {a}|{c} paid {a} for {o}|{c} owes us {a}|Profit in {mo} was {a}
The {mod} audit found {k} errors|The {mod} audit starts on {d}|The new {mod} policy starts on {d}|Staff may work from home {k2} days a week|{k} {pl} were damaged in {p}|The shipment to {p} is {s} late|The {pl} will arrive in {p} on {d}
We ran out of {pl}|The {mod} {head} in {p} is broken|{k} {pl} were delivered to the wrong place|The {p} team needs {k} more {pl}|The {thing} in the {p} office was repaired|The {adj} {thing} will be replaced on {d}
The {adj} {thing} of {c} {done}|The {thing} and the {thing2} were {v}|{c} will {task}|The {mod} {role} will {task}|The {synth} {head} was {v} in {p}|The {synth} {synth2} will {task}
~The {code} programme will finish {s} later than planned|~{o} had to be {v} again|~The team in {p} lost {a}|~{c} and {c2} signed an agreement on {d}|~The {thing} was closed for {s}|~{name_role} told the {t} to {task}|~The {t} voted to {task}
~The {code} workshop ended with {k} open questions|~{k} {pl} went missing in {p}|~The price of {code} will rise to {a} on {d}|~The opening of the {p} branch has been postponed to {d}""".replace("\n", "|").split("|")

ACTION = ["{n} will {task} by {due}"] * 6 + ["{n} will {task}"] * 2 + """{n} to {task} by {due}|{n} to {task}|{n} must {task} by {due}|{n} should {task} before {due}|{n} needs to {task} by {due}|{n} agreed to {task} by {due}
{n} is going to {task} by {due}|{n} has to {task} by {due}|{n} promised to {task} by {due}|The {t} will {task} by {due}|{n} and {n2} will {task} by {due}|{c} will {task} by {due}|We will {task} by {due}|I will {task} by {due}|We need to {task} by {due}
{n} was asked to {task} by {due}|The {role} will {task} by {due}|{n} takes care of this and will {task} by {due}|{n} from the {t} will {task} by {due}|By {due}, {n} will {task}|{n} ({t}) will {task} by {due}
Action: {n} to {task} by {due}|Action: {n} will {task} by {due}|{n}: {task} by {due}|TODO {n}: {task} by {due}|{n} - {task} by {due}|Next step: {n} will {task} by {due}|To do: {n} to {task} by {due}|{n}, please {task} by {due}|AI: {n} to {task}|Task for {n}: {task} by {due}|{n}: {task}
{n} plans to {task} by {due}|{n} will {task} and {task2} by {due}|{n} has been asked to {task} by {due}|{n} is to {task} by {due}|Before {due}, {n} will {task}|{n} will {task} on {due}|{n} will {task} before {due}|{n} was told to {task} until {due}|It is up to {n} to {task} by {due}|{role2} {n} will {task} by {due}
~{n} offered to {task} by {due}|~{n} volunteered to {task} by {due}|~{n} is expected to {task} by {due}""".replace("\n", "|").split("|")

DETAIL = """The extra cost is {a}|It will cost {a}|This will cost about {a}|The total is {a}|We will save {a}|This affects {k} customers|{k} customers are affected|The new date is {d}|The new deadline is {d}|The next meeting is on {d}
The next review is on {d} at {h}|The budget is {a}|No data was lost|The client was informed on {d}|{c} will pay {a}|The work will take {s}|Finance approved {a}|The price is {a}|{n} is responsible|{n} leads the work
~The expected cost is {a}|~The follow-up meeting is on {d}""".replace("\n", "|").split("|")

EXTRA = """ due to {o}| because of {o}| because of the {adj} {thing}| after {n} {done}| in order to {task}| so that the {t} can {task}| instead of {d}| despite the {adj} {head}| without {o}|, including {o}|, which costs {a}|, which saves {a} a year
, which is {s} later than planned| for {s}| at the request of {c}| together with {c}| with a budget of {a}| on behalf of the {t}| from {d} to {d2}| if {c} agrees| when {o} is ready| until {d}| once {o} is {v}| by {pc}| and {n} agreed|, but {o} is not ready yet| while {n} is away
, and the {t} {done}|, starting on {d}| at no extra cost| for {k} customers| during the {mod} {ev}| before the {mod} {ev}| by the end of {mo}| due to a lack of {pl}| because of the {adj} {pl}| after the {mod} {ev} in {p}
~ owing to {o}|~ as soon as {o} is ready|~, which {n} approved on {d}|~ following the {mod} {ev}""".replace("\n", "|").split("|")

REASON = ["The reason is that {z}", "This is because {z}", "The reason: {z}", "This happened because {z}", "This is due to the fact that {z}", "Reason: {z}", "The main reason is that {z}",
          "This was caused by the fact that {z}", "Why? Because {z}", "~The cause is that {z}"]

FILLER = """Hi all|Hello everyone|Hi team|Dear colleagues|Just a quick update|Here is a short update|Quick note from today|Thanks to everybody for the hard work|Thank you all for coming|Please let me know if you have questions
It was a long meeting|Everybody was in a good mood|The weather was bad|We started a few minutes late|The coffee machine was broken again|As you know, this is important to us|More details will follow|Sorry for the late message|I hope you are well
Nobody had objections|There was a long discussion|This was not easy|The mood was good|Lunch was nice|We also talked about the holidays|There were a few questions|See you next week|Have a nice weekend|Everyone was there|Some people joined online
The room was too small|The meeting was held in {p}|{n} took the notes|{n} could not attend|{n} opened the meeting|{n} thanked the team|The discussion was lively|{n} showed some slides|We had a look at {o}|{n} asked a question about {o}|The {t} was also there
Nothing else was decided|There is no news on {o}|It is too early to talk about {o}|The usual points were discussed|The last minutes were approved|Let us keep going|Thank you for your patience
~{n} arrived late|~The snacks were good|~Best wishes to all of you|~Some of you asked about this""".replace("\n", "|").split("|")

WHEN = """yesterday|this morning|last week|last night|on Monday morning|last Friday|two days ago|this week|earlier today|at the weekend|last month|on Saturday night|this afternoon|over the summer|in the first quarter|last Wednesday|before the holidays|at noon|overnight""".split("|")
EVENT = W("meeting workshop conference fair party review call seminar dinner demo webinar interview exhibition training briefing")


def cap(s):
    return s[:1].upper() + s[1:]


LOWER = set(W("Every That One Another Their On The A An We I In On There This It All Management Finance Sales Revenue Customer Customers It They If Once Until Although Everyone More About At Less Starting From Salaries Last Yesterday Earlier Before Overnight Over Unfortunately As For Costs Legal Staff Profit Version By No Every Some Our Two Three Four Five Six Seven Eight Nine Ten Twelve These Those After Only Both Most Nobody Everybody Later"))


def low(s):
    """Lower-case the first word when it is not a name."""
    w = s.split()[0].rstrip(",")
    return s[:1].lower() + s[1:] if w in LOWER and w != "I" else s


def fill(g, s, **kw):
    n = kw.pop("n", None) or g.name()
    n2 = g.name()
    while set(n2.split()) & set(n.split()):
        n2 = g.name()
    d, d2 = g.day(), g.day()
    role = g.pick(ROLE)
    v = dict(n=n, n2=n2, d=d, d2=d2, code=g.code(), s=g.span(), mod=g.mod(), head=g.head(), o=g.obj(), a=g.amount(), a2=g.amount(), pc=g.percent(), p=g.place(), p2=g.place(),
             t=g.team(), k=g.count(), k2=g.pick(NUMW), pl=g.pick(PLURAL), role=role, name_role=g.pick([f"{n}, the {role},", f"{n} ({role})", f"the {role} {n}"]), c=g.company(), c2=g.company(),
             h=g.clock(), mo=g.pick(MONTH), ver=f"{g.num(1, 9)}.{g.num(0, 12)}", ord=g.pick(W("first second third fourth fifth sixth")), v=g.pick(VERB)[1], adj=g.pick(ADJ), ev=g.pick(EVENT),
             z=g.cause(), o2=g.obj(), task2=g.task(), role2=cap(role), k3=str(g.num(12, 900)), h2=g.clock(), when=g.pick(WHEN), when2=cap(g.pick(WHEN)), thing=g.pick(THING), thing2=g.pick(THING), synth=g.synth(1, 3), synth2=g.synth(2, 3), task=g.task(), done=g.task(True), due=g.due())
    v.update(kw)
    return cap(s.format(**v))


def third(s):
    """A clause as the summary says it: "A to do X" -> "A will do X", we -> the team, I -> the writer."""
    for a, b in (("Our ", "The "), ("We need to ", "The team needs to "), ("We will ", "The team will "), ("We have ", "The team has "), ("We ", "The team "), ("I will ", "The writer will "), ("I ", "The writer ")):
        if s.startswith(a):
            return b + s[len(a):]
    return s.replace(" owes us ", " owes the team ").replace(" takes care of this and will ", " will ")


class Note:
    """text: what the user pastes; clauses: key facts as the summary says them; actions: (owner, task, due or None)."""


def action(g, owner=None):
    n, task, due = owner or g.name(), g.task(), g.due()
    return n, task, due


def as_sentence(g, p, n, task, due):
    """An action as the note says it, as the summary says it, and who owns it."""
    n2 = g.first()
    t, c, role = g.team(), g.company(), g.pick(ROLE)
    s = fill(g, p, n=n, task=task, due=due, n2=n2, t=t, c=c, role=role)
    said = third(s)
    tail = f"{n} will {task}" + (f" by {due}" if "{due}" in p else "")
    if p.startswith(("{n} to ", "Action", "{n}: ", "TODO", "{n} - ", "Next step", "To do", "{n}, please", "AI", "Task for")):
        said = tail
    owner = {"The {t}": "The " + t, "{n} and": n + " and " + n2, "{c} ": c, "We ": "The team", "I ": "The writer", "The {role}": "The " + role}
    if "{task2}" in p:
        task = s.split(" will ", 1)[1].rsplit(" by ", 1)[0]
    return s, said, next((v for k, v in owner.items() if p.startswith(k)), n)


def extra(g):
    """A phrase that hangs on a clause and is kept word for word."""
    return fill(g, "X" + g.pat(EXTRA))[1:]


def wild(g):
    """An odd sentence of arbitrary words: it can only be copied."""
    def np():
        return g.pick(["the", "a", "our", "every", "this", "that", "some", "one", "another", "their"]) + " " + (g.pick(ADJ) + " " if g.chance(0.3) else "") + \
            (g.synth(1, 3) if g.chance(0.3) else g.pick(COMMON) if g.chance(0.3) else g.pick(BIG)) + g.pick(["", "", "", "s"])
    if g.chance(0.3):
        return cap(" ".join(g.pick([g.anyword, g.anyword, g.anyword, lambda: g.pick(W("the a of in to and for with on at is was has will not by from that it as are be this an or")), g.name])() for _ in range(g.num(4, 13))))
    v = g.pick(VERB)[1] if g.chance(0.5) else g.synth(1, 2) + g.pick(["ed", "es", "s", "ed"])
    s = g.pick([np(), np(), g.name(), g.company()]) + g.pick([" ", " ", " has ", " was ", " will not ", " almost ", " had to be ", " can "]) + v + " "
    s += g.pick([np(), g.name(), g.place()])
    for _ in range(g.num(0, 3)):
        s += g.pick([" in ", " near ", " with ", " under ", " for ", " and ", " of ", " before ", " between ", " through ", " against ", " like ", " or ", " from "]) + g.pick([np(), np(), np(), g.name(), g.place(), g.day(), g.amount(), g.count()])
    return cap(s)


PLAIN = [m for m in MAIN if not any(w in m for w in ("{task}", "will", "wants to", "decided", "must", "agreed"))]
PLAIN_DETAIL = [m for m in DETAIL if "will" not in m]


def make_note(g, lo=1, hi=4, style=None, plain=False):
    """A note of lo..hi key facts. plain: nothing but the actions themselves reads like an action."""
    MAIN, DETAIL = (PLAIN, PLAIN_DETAIL) if plain else (globals()["MAIN"], globals()["DETAIL"])
    x = Note()
    x.plain = plain
    x.style = style or g.pick(["prose"] * 7 + ["minutes", "minutes", "bullets", "mail"])
    k = g.num(lo, hi)
    main = wild(g) if g.chance(0.1) else fill(g, g.pat(MAIN))
    if g.chance(0.06):
        d = g.day()
        main = (f"On {d}, " + low(main)) if d not in main else main
    cause = g.cause() if g.chance(0.45) else None
    if not plain and g.chance(0.1 if cause else 0.3):
        main += extra(g)
    kinds = []
    if k > 1:
        kinds = ["action"] if g.chance(0.75) else ["detail"] if g.chance(0.5) else ["main"]
        while len(kinds) < k - 1:
            kinds.append(g.pick(["action", "detail", "main", "detail"]))
        if g.chance(0.5):
            g.r.shuffle(kinds)
    x.clauses, x.actions, out = [], [], []
    c = third(main)
    sents = []
    if cause:
        r = g.r.random()
        if r < 0.5:
            sents.append(main + g.pick([" because ", " because ", " because ", " as ", " since "]) + cause)
        elif r < 0.85:
            sents += [main, fill(g, g.pat(REASON), z=cause)]
        else:
            sents.append(cap(cause) + ". " + g.pick(["Therefore ", "So ", "That is why ", "For this reason "]) + low(main))
        c += " because " + low_cause(cause)
    else:
        sents.append(main)
    x.clauses.append(c)
    x.main = main
    for kind in kinds:
        if kind == "action":
            n, task, due = action(g)
            p = g.pat(ACTION)
            if p.startswith("{n} ") and not p.startswith(("{n} to", "{n} and", "{n} -", "{n} (", "{n} from")) and g.chance(0.15):
                # the owner is named one sentence earlier, here only as a pronoun; the summary uses the name
                intro = fill(g, g.pick(["{n} is responsible for {o}", "{n} leads the {code} project", "{n} is the new {role}", "{n} {done}", "{n} reported that {z}", "{n} is in charge of {o}", "The responsible {role} is {n}", "{n} joined the call"]), n=n)
                s, c, owner = as_sentence(g, p, n, task, due)
                sents += [intro, g.pick(["She", "He", "She", "He", "They"]) + s[len(n):]]
                x.clauses += [intro, c]
                x.actions.append((owner, task, due if "{due}" in p else None))
                continue
            s, c, owner = as_sentence(g, p, n, task, due)
            x.actions.append((owner, task, due if "{due}" in p else None))
            if g.chance(0.12):  # two actions in one sentence
                n, task, due = action(g)
                p = g.pick(["{n} will {task} by {due}", "{n} will {task}", "{n} has to {task} by {due}", "{n} must {task}"])
                s2, c2, owner = as_sentence(g, p, n, task, due)
                j = g.pick([" and ", ", and ", " and ", ", while "])
                s, c = s + j + s2, c + j + c2
                x.actions.append((owner, task, due if "{due}" in p else None))
        elif kind == "detail":
            s = fill(g, g.pat(DETAIL))
            c = third(s)
        else:
            s = wild(g) if g.chance(0.15) else fill(g, g.pat(MAIN))
            if not plain and g.chance(0.2):
                s += extra(g)
            c = third(s)
            if g.chance(0.25):
                z = g.cause()
                s, c = s + " because " + z, c + " because " + low_cause(z)
            if g.chance(0.25):
                s = g.pick(["Also, ", "In addition, ", "Besides, ", "Meanwhile, ", "Then ", "Next, "]) + low(s)
        sents.append(s)
        x.clauses.append(c)
    if x.style == "prose" or x.style == "mail":
        if g.chance(0.45):
            sents.insert(0, fill(g, g.pat(FILLER)))
        for _ in range(g.pick([0, 0, 1, 1, 2])):
            sents.insert(g.num(1, len(sents)) if not cause else len(sents) if g.chance(0.6) else 0, fill(g, g.pat(FILLER)))
        if g.chance(0.06):
            sents = [s[:1].lower() + s[1:] for s in sents]
        sep = g.pick([". "] * 8 + [".\n", "; ", " - ", ".\n\n"])
        x.text = sep.join(sents) + ("" if g.chance(0.08) else ".")
        if x.style == "mail":
            x.text = g.pick(["Hi all,", "Hello team,", "Dear all,", "Hi " + g.first() + ",", "Subject: " + cap(g.mod()) + " " + g.head() + "\n\nHello,"]) + g.pick(["\n", "\n\n", " "]) + x.text + \
                g.pick(["\n\nBest,\n", "\n\nRegards,\n", "\nThanks, ", "\n\nKind regards\n", " - "]) + g.name()
        elif g.chance(0.15):
            x.text = g.pick(["Note: ", "Update: ", "Weekly update: ", "Memo: ", "FYI: ", "Meeting note, " + g.day() + ": ", "To: " + g.first() + ". "]) + x.text
    else:
        dash = g.pick(["- ", "* ", "", "• "])
        title = g.pick(["Meeting minutes", "Minutes of the " + g.team(), "Notes", "Meeting notes", cap(g.mod()) + " meeting", "Weekly sync", "Call with " + g.company(), "Minutes, " + g.day(), cap(g.mod()) + " review"])
        lines = [title + g.pick(["", ":", " - " + g.day()])]
        if g.chance(0.5):
            lines.append(g.pick(["Attendees: ", "Present: ", "Participants: ", "With: "]) + ", ".join(g.names(g.num(2, 4))))
        if x.style == "minutes":
            done = [dash + s + g.pick([".", "."]) for s in sents]
            if g.chance(0.2):
                done = [f"{i + 1}. {s}." for i, s in enumerate(sents)]
            elif g.chance(0.4):
                done.insert(g.num(0, len(done)), dash + fill(g, g.pat(FILLER)) + ".")
            lines += done
        else:
            if g.chance(0.25):
                lines.append(g.pick(["", "Points:", "Topics:", "Decisions:", "Discussed:", "Results:", "Agenda and results:"]))
            lines += [dash + g.pick(["", "", "", "Decision: ", "Topic: ", "Point: "]) + sents[0]] + [dash + s for s in sents[1:]]
        x.text = "\n".join(lines)
    return x


def low_cause(c):
    """The cause as the summary says it (we -> the team)."""
    t = third(cap(c)) if c.startswith("we ") else c
    return t[:1].lower() + t[1:] if c.startswith("we ") else c


def join(cs):
    cs = [cs[0]] + [low(c) for c in cs[1:]]
    if len(cs) == 1:
        return cap(cs[0]) + "."
    if len(cs) == 2:
        return cap(cs[0]) + ", and " + cs[1] + "."
    return cap(", ".join(cs[:-1])) + ", and " + cs[-1] + "."


def summary(x, mode):
    """mode: one (one sentence, at most three clauses), two (at most two sentences), head (main clause only)."""
    c = x.clauses
    if mode == "head":
        return cap(third(x.main)) + "."
    if mode == "one" or len(c) == 1:
        return join(c[:3])
    return join(c[:1]) + " " + join(c[1:4])
