//! Texts of the planted loners: each on a subject of its own, in wording of its own.
//!
//! Invariant: no text is used twice in one corpus, none shares its subject with a topic or with another text.

/// A title and a text, both as they appear in the corpus.
pub(super) struct LonerText {
    pub(super) title: &'static str,
    pub(super) text: &'static str,
}

const fn loner(title: &'static str, text: &'static str) -> LonerText {
    LonerText { title, text }
}

/// All loners, in the order in which corpora use them up.
pub(super) const LONERS: [LonerText; 42] = [
    loner(
        "Keeping a sourdough alive through the winter",
        "Feed the starter every morning with equal weights of rye flour and lukewarm water. When the kitchen is cold, wrap \
         the jar in a towel and give it a day longer. A crust that sings while it cools was baked hot enough; a gummy \
         crumb means that the loaf was cut in impatience. Salt goes in last, after the dough has rested.",
    ),
    loner(
        "No cure, no pay: the law of salvage at sea",
        "Whoever saves an abandoned ship from peril may claim a reward, yet only if something of value is brought to \
         safety. Lloyd's open form settles the terms on a sinking deck within minutes. Courts weigh the danger, the skill of \
         the tugmen and the worth of hull and cargo, and they refuse the salvor who caused the wreck himself.",
    ),
    loner(
        "Rook endings with a pawn on the seventh rank",
        "White builds a bridge with the rook on the fourth rank and Black's checks run out. If the defending king reaches \
         the short side, Philidor's third-rank barrier holds the draw. The tablebase corrects one line given by Tarrasch: \
         the queening square may be covered from behind, and zugzwang then falls on the stronger side.",
    ),
    loner(
        "What the lighthouse keepers wrote down",
        "Between trimming wicks and winding the clockwork that turned the lens, three keepers filled a logbook with fog \
         hours, passing schooners and the deaths of gannets against the lantern glass. Entries grow shorter after the \
         assistant drowned in the landing gap. The last page records the arrival of the electrician.",
    ),
    loner(
        "Change ringing on eight bells",
        "A full peal of Plain Bob Triples takes three hours and no row may be repeated. Ringers learn the blue line of their \
         bell by heart instead of reading music. In the tower of St Mary's the tenor is a quarter turn slow on the \
         backstroke, so that the conductor must call his singles earlier than the composition has them.",
    ),
    loner(
        "Offside since 1863",
        "When football allowed no player ahead of the ball, dribbling in a pack was all there was. The change to three \
         defenders, and in 1925 to two, made room for the centre half to drop back and for wingers to stay wide. Referees' \
         notebooks from Sheffield show how linesmen waved handkerchiefs before they were given flags.",
    ),
    loner(
        "Mending a grandfather clock's anchor escapement",
        "Worn pallets drop unevenly and the pendulum soon stops. Stone out the grooves, close the anchor by a hair and bend \
         the crutch until tick and tock are equal. Oil the pivots, never the teeth. A longcase movement of thirty hours \
         wants its rope replaced before its bushings, whatever the dealer says.",
    ),
    loner(
        "Dyeing wool with madder and weld",
        "Skeins mordanted in alum take a clear yellow from weld and a brick red from madder roots, provided that the bath \
         never boils. Chalk in the water brightens the red; iron saddens it to plum. Overdye in the blue vat for green. \
         Rinse until nothing runs and dry the yarn in the shade.",
    ),
    loner(
        "Seating plans at state banquets",
        "Protocol ranks an ambassador by the day on which credentials were presented, a rule that has spared embassies many \
         duels since Vienna. The toast precedes the dessert in one court and follows the soup in the next. Place cards, \
         interpreters behind chairs and the order of the anthems fill forty pages of the marshal's handbook.",
    ),
    loner(
        "Why the tango leads with the left",
        "The embrace closes before the bandoneon breathes in. Dancers in the milongas of Almagro walk outside their partner \
         and turn the ocho on the ball of the foot; shows in Paris stretched it into lunges. A codigo of glances, the \
         cabeceo, invites across the room so that no refusal is ever heard aloud.",
    ),
    loner(
        "Blazon of the arms of three market towns",
        "Per fess azure and or, in chief a bridge of two arches argent, in base a boar's head erased sable: so the herald \
         granted it, and so the town painted it wrong for two hundred years. Tinctures swapped on a drain cover now count as \
         usage. The motto was misspelt on purpose by a mason who had not been paid.",
    ),
    loner(
        "How to fell a leaning beech",
        "Cut the hinge deeper on the side of the lean, bore in behind it and leave a strap of holding wood for the end. Look \
         up for dead limbs before the saw is started. A barber chair splits the trunk faster than any sawyer can run, which is \
         why the escape path is cleared first and to the rear.",
    ),
    loner(
        "The tuning of a harpsichord after Vallotti",
        "Six fifths are narrowed by a sixth of a comma and six are left pure, so that F major glows and F sharp major bites. \
         Set A by the fork, run through the circle and listen to the beats slow down. Quills of delrin need revoicing every \
         spring; crow feathers sound rounder and break during recitals.",
    ),
    loner(
        "Notaries and the wording of last wills",
        "A testament written by hand needs neither witness nor seal in one canton and fails for want of a date in the next. \
         Heirs contest the codicil that leaves everything to the housekeeper. The clerk's formula about a sound mind, copied \
         since the seventeenth century, has never yet persuaded a probate judge of anything.",
    ),
    loner(
        "Train whistles and signal boxes of a narrow-gauge railway",
        "Two short blasts told the signalman that the mixed goods had cleared the loop. Levers were painted red for stop, \
         black for points and blue for locks, and a brass token as large as a frying pan had to be handed over at walking \
         pace. The line closed with the slate quarry; its timetable hangs in the pub.",
    ),
    loner(
        "Puppets of the Sicilian paladins",
        "Orlando weighs thirty kilos, armour included, and is swung by an iron rod through the head. Backstage, one boy stamps \
         his clog for the battles while another cranks the barrel piano. The cycle lasted three hundred evenings, and barbers \
         are said to have wept in the pit when the knight went mad for Angelica.",
    ),
    loner(
        "Crossword clues that lie honestly",
        "An anagram indicator must suggest disorder, a container must truly surround, and the definition stands at one end. \
         Ximenes allowed no padding. Solvers of the Saturday puzzle forgive a pun sooner than a loose ampersand. The finest \
         clue has a surface so smooth that nobody sees where it has been folded.",
    ),
    loner(
        "Shoeing draught horses on cobblestones",
        "The farrier rasps the wall level, burns the shoe on for a second to see where it bears, and drives seven nails that \
         come out a third of the way up. Studs give grip on wet setts but strain the fetlock. Brewery teams lose a shoe in \
         five weeks; the same mare at grass keeps hers for nine.",
    ),
    loner(
        "Fingerprints on banknotes: a forger's trial",
        "The engraver had copied the guilloche by hand, and it was a flaw in the watermark that betrayed him. At the assizes \
         the jury passed the false tenners around and could not tell them apart. His landlady testified to the smell of acid. \
         He served nine years and later designed postage stamps.",
    ),
    loner(
        "Folding a crane from a single square",
        "Begin with the bird base: two diagonals, two halves, then collapse the paper inwards. Petal folds lengthen the \
         flaps for neck and tail; a reverse fold makes the beak. Washi of forty grams forgives a misplaced crease, office \
         paper does not. A thousand cranes on a string grant a wish, so the saying goes.",
    ),
    loner(
        "Sermons against the theatre, 1570 to 1642",
        "Preachers at Paul's Cross blamed playhouses for plague, idle apprentices and boys in women's gowns. Printers sold the \
         invectives next to the very quartos they condemned. One divine confesses to having laughed at a clown. When \
         Parliament shut the stages, several pulpits discovered that they missed their adversary.",
    ),
    loner(
        "Elevator music in department stores",
        "Strings without drums, twelve bars of rising tempo, then a quarter hour of silence: the programmers of background \
         sound believed in stimulus curves. Shoppers recalled nothing and lingered. Union stewards complained of Greensleeves \
         at dawn. The tapes were later prized by collectors of lounge records.",
    ),
    loner(
        "Sizing a parachute harness for search dogs",
        "Leg loops must not chafe the armpit of the shepherd, and the handler clips in above. In the wind tunnel most animals \
         paddled, then hung calm. Goggles came off. A muzzle was judged worse than barking. Landing needs a drop line so that \
         the jumper's boots arrive first and the paws afterwards.",
    ),
    loner(
        "Whose nose is it? Copyright in carnival masks",
        "A carver of Basel larvae sued a plastics firm that had taken a mould from his miller's wife. Folklore belongs to \
         nobody, the defendant pleaded; a wart and a raised eyebrow are authorship, held the bench. Damages were fixed at one \
         franc per mask and paid to the drummers' guild.",
    ),
    loner(
        "Cataloguing a collection of barbed wire",
        "Glidden's Winner, Brinkerhoff's Ribbon, Haish's S: more than five hundred patents twist two strands around a point. \
         Collectors trade eighteen-inch lengths mounted on walnut boards. Rust is left, paint is removed. The prize piece was \
         cut from a Kansas fence during a lawsuit between cattlemen and homesteaders.",
    ),
    loner(
        "Passwords of the night watch in old Prague",
        "Each evening the burgrave gave the gate wardens a new saint and a new town, and whoever answered Wenceslas with Brno \
         slept in the cell. The rattle was for fire, the horn for the hours. A ledger lists fines for singing, for lanterns \
         carried unlit, and for a ghost that turned out to be a miller.",
    ),
    loner(
        "Tasting notes for smoked tea",
        "Leaves withered over pinewood give lapsang its tar and raisins. Steep for three minutes just off the boil, no milk. \
         The second infusion loses bacon and gains liquorice. A panel of eight could tell Fujian from Taiwan by the finish, \
         except the pipe smoker, who praised a cup of hot water.",
    ),
    loner(
        "On the pitch of playground slides",
        "Thirty-six degrees is brisk on polished steel and dull on plastic. Council surveyors timed schoolchildren in corduroy \
         and in nylon. Railings at the top cause queues; a bump halfway causes joy and split lips. The report recommends sand \
         at the bottom, shade over the metal, and nobody head first.",
    ),
    loner(
        "Stage fright among opera prompters",
        "Hidden in a box at the footlights, the suggeritore speaks each line a breath before it is sung. One of them fainted \
         during Otello and the tenor invented a whole duet. They drink no coffee, wear felt slippers, and dread most the \
         soprano who looks away. Houses in Germany still engage two for every season.",
    ),
    loner(
        "Drafting rules for a village tug-of-war",
        "Eight a side, boots without spikes, the rope of manila four inches round. Anchormen may pass it over one shoulder \
         but must not knot. A team that sits down twice has lost. The cider tent shall open only after the final pull, an \
         article added in the year of the broken collarbone.",
    ),
    loner(
        "Invisible mending of tweed jackets",
        "Threads are drawn from the hem and woven one by one across the moth hole under a lens. Herringbone takes four times \
         as long as plain cloth. A good reweaver cannot find her own darn a week later. Moths prefer collars, where there has \
         been soup, and cedar merely annoys them.",
    ),
    loner(
        "The handwriting of ransom notes",
        "Kidnappers who disguise their script slant it backwards, misspell short words and get long ones right. Graphologists \
         called in by the Lindbergh prosecution compared the letter t in boardnight with a ledger of lumber. Letters cut from \
         newspapers tell the detective only which edition reached which suburb.",
    ),
    loner(
        "Laying a dry stone wall across a hill",
        "Two faces lean towards each other, hearting packed between, and every yard a through-stone ties them. One on two, two \
         on one; never a running joint. A waller handles each piece once. Smoots at the foot let rabbits pass. Cope stones on \
         edge crown it, and no mortar is used anywhere.",
    ),
    loner(
        "Umpiring sumo: the gyoji's fan",
        "The referee carries a dagger in his sash, sworn to disembowel himself over a wrong call, though a letter of \
         resignation is what follows nowadays. Salt is thrown, the wrestlers glare, and a foot brushing the straw bales ends \
         it. Judges in black climb onto the dohyo to confer; the yokozuna waits.",
    ),
    loner(
        "Letters home from a whaling captain's wife",
        "She gave birth off the Azores, taught the mate to read and stitched curtains while blubber boiled on deck. Mail was \
         left in a barrel on Floreana for whichever ship sailed next to Nantucket. In the third year she stops describing \
         storms and begins to list, on every Sunday, the hymns she can still remember.",
    ),
    loner(
        "Neon signs and the glassbenders of Las Vegas",
        "A tube is heated over a ribbon burner and blown through a rubber hose as it bends, freehand, on an asbestos pattern. \
         Argon with a drop of mercury glows blue, neon itself only red. Casino marquees employed forty benders; one of them \
         still repairs the cowboy's winking eye and the slipper of lightbulbs.",
    ),
    loner(
        "Epitaphs for pets in Hyde Park",
        "Three hundred miniature headstones stand behind the gatekeeper's lodge: Cherry the Maltese terrier, Scum, and a \
         monkey whose name has weathered away. Verses quote Byron or the vicar. Widows are generous with lilies; dukes order \
         plain slate. Burials ended in 1903, when the shrubbery could hold no more spaniels.",
    ),
    loner(
        "Balancing a unicycle juggling routine",
        "Idle back and forth over half a turn of the cranks until the hands forget the legs. Clubs are thrown on the \
         downstroke. A cascade of five drifts to the right, so ride in a slow circle to the left. Circus floors of sawdust \
         forgive; cobbles and applause do not. Finish with the hat, never with fire.",
    ),
    loner(
        "Why pencils are yellow",
        "Koh-i-Noor lacquered its finest graphite in imperial yellow to hint at Siberian mines near China, and every maker \
         followed. Cedar slats are grooved, leaded, glued and planed into hexagons because round ones roll off desks. The \
         ferrule came with the rubber; German schoolmasters banned both as an invitation to err.",
    ),
    loner(
        "Apologies in the minutes of a parish council",
        "Councillor Pym regretted his remark about the bus shelter, then the shelter itself. Dog fouling was deferred. The \
         clerk had mislaid the key to the noticeboard, in which the notice concerning the key was displayed. It was resolved \
         by seven to nil that the Christmas lights be taken down before Easter.",
    ),
    loner(
        "Astrolabes for sale: an instrument dealer's ledger",
        "Brass planispheres by Hartmann went to a Dutch banker, a Persian one with eleven star pointers to a bishop. The \
         bookkeeper spells rete in three ways and hides the profit in a column headed carriage. Two entries marked returned \
         were fakes, their latitude plates engraved for a town that did not exist.",
    ),
    loner(
        "Packing a rucksack for the pilgrimage to Santiago",
        "Ten percent of your own weight and not a sock more. Blisters, says the hospitalero, come from pride. Carry a shell, \
         a spoon, safety pins to dry laundry on the move, and leave the hair dryer in Roncesvalles with all the others. \
         Snorers have the bunks by the door; the bell rings at six.",
    ),
];
