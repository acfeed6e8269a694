"""Words of the names of regions, in the languages of the usual data sets: lower case, without accents.

A word that is in none of these lists may be a person's name: it is never written, and a name that contains one is not
interpreted as a structure.
"""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


KIDNEY = _words("""
    kidney kidneys niere nieren rein reins rinon rinones rene reni nier rins njure njurar nyre nyrer ren renes
    """)
"""Nouns. The Portuguese word is missing, for in English it is an edge."""

RENAL = _words("renal renale renales renaux renalis rinal nefro nephro nephric")
"""Adjectives; alone they name nothing, for a vein can be renal."""

PARENCHYMA = _words("parenchyma parenchym parenquima parenchyme parenchima")

TUMOUR = _words("""
    tumor tumour tumors tumours tumeur tumeurs tumore tumori tumoren tumores tumoral neoplasm neoplasms neoplasia
    neoplasie gtv rcc ccrcc prcc chrcc carcinoma carcinomas karzinom karzinome carcinome cancer cancers krebs
    nierentumor nierentumoren nierenzellkarzinom malignancy oncocytoma angiomyolipoma aml nephroblastoma wilms
    hypernephroma
    """)

LESION = _words("""
    lesion lesions mass masses masse masa masas massa lasion lasionen laesion laesionen raumforderung nodule nodules sol
    """)
"""Words for a tumour that may also be said of a cyst."""

CYST = _words("cyst cysts zyste zysten kyste kystes quiste quistes cisti ciste cysten cyste cista nierenzyste")

CYSTIC = _words("cystic zystisch zystische kystique quistico cistico")

MARGIN = _words("""
    ptv ctv itv prv margin margins ring rings shell rim rims halo expand expanded expansion exp dilated dilation eroded
    erosion opti opt optim avoid avoidance bbox box hull bounding peritumoral peritumoural bed dose isodose mm cm edge
    boundary border uncertainty
    """)
"""What is drawn around a structure, or made of one."""

EXPRESSION = _words("""
    minus sub subtract subtracted without ohne sans wo not no non none kein keine and und et y e plus with mit avec con
    or oder union intersect intersection excl exclude excluding except incl include including outside inside free
    """)
"""Words that make a name an expression of several regions."""

UNFIT = _words("old copy temp tmp test dummy deleted delete wrong draft push help helper unused ignore backup partial part")
"""What marks a region as one that is not meant."""

PARTS = _words("""
    vein veins vena venen venous artery arteries arterie arterien arteria vessel vessels gefass gefasse vascular
    vasculature pelvis becken bassinet sinus hilum hilus hilar fat fett grasa graisse capsule calyx calyces kelch
    collecting system ureter ureters harnleiter cortex cortical rinde medulla pyramid pyramids column stone stones
    calculus calculi thrombus thrombi clot node nodes nodal lymph ln lymphnode metastasis metastases metastatic met mets
    metastase metastasen necrosis necrotic edema oedema hematoma haematoma bleeding hemorrhage abscess infarct scar
    ablation stent drain catheter space fascia perirenal pararenal perinephric half graft transplant allograft duct
    ductus capsula wall tissue soft calcification hydronephrosis urine
    """)
"""What belongs to a kidney or a tumour, or lies at it, and is another thing."""

POLES = _words("pole poles pol upper lower middle mid")
"""Of a kidney they are a part; of a tumour they say where it is."""

ORGANS = _words("""
    liver hepatic hepatocellular leber foie higado fegato lever hcc lung lungs pulmonary lunge lungen poumon poumons
    pulmon pulmones polmone nsclc pancreas pancreatic pankreas pancreatique spleen splenic milz rate bazo milza adrenal
    adrenals suprarenal suprarenals surrenale nebenniere nebennieren gland glands druse bowel bowels intestine
    intestinal darm colon colonic rectum rectal sigmoid stomach gastric magen estomac estomago duodenum jejunum ileum
    bladder blase vejiga vessie urinary prostate prostata uterus ovary ovaries ovarian cervix vagina brain cerebral hirn
    gehirn cerveau heart cardiac herz aorta aortic ivc cava caval portal bone bones bony knochen spine spinal vertebra
    vertebrae vertebral rib ribs skin haut body external patient couch psoas muscle muscles muskel thyroid breast
    mammary esophagus oesophagus trachea gallbladder gall bile biliary galle gallenblase pseudocyst pseudocysts cord
    thymus mediastinum mediastinal peritoneum peritoneal mesentery omentum retroperitoneum retroperitoneal abdomen
    abdominal thorax chest pleura pleural head neck larynx pharynx tongue testis testes testicle penis femur femoral hip
    sacrum ilium iliac eye eyes lens brainstem parotid hypophysis pituitary air water bolus hepatoblastoma glioma
    glioblastoma lymphoma melanoma sarcoma myeloma
    """)
"""Organs and other places that are not the kidney, and tumours of these."""

SIDES = _words("""
    left right l r li re lt rt links rechts linke rechte linken rechten gauche droit droite g d izq der izquierdo
    izquierda derecho derecha sinistra sinistro destra destro sinister dexter dx sx bilateral both beide
    """)

VERSIONS = _words(
    """
    reader observer rater expert consensus ground truth gt gold edited corrected checked approved v ver version manual auto
    automatic automated ai nnunet final
    """
)
"""Words that distinguish several drawings of the same structure."""

NEUTRAL = (
    SIDES
    | VERSIONS
    | _words("""
    total whole entire upside anterior posterior lateral medial superior inferior small large big primary prim p t a b c
    main final manual auto automatic automated ai nnunet seg segs segmentation segmented segment mask roi voi contour
    contours contoured cc label labels structure volume vol ct reader observer rater expert consensus ground truth gt
    gold edited corrected checked approved v ver version nr num number i ii iii iv of the der die das des du de la le
    les el los il lo del della di van het clear cell cells papillary chromophobe malignant benign solid enhancing
    exophytic endophytic index gross native
    """)
)

KNOWN = (
    KIDNEY
    | RENAL
    | PARENCHYMA
    | TUMOUR
    | LESION
    | CYST
    | CYSTIC
    | MARGIN
    | EXPRESSION
    | UNFIT
    | PARTS
    | POLES
    | ORGANS
    | NEUTRAL
) | _words("background organ organs region area unknown empty anatomical morphologically altered n m nd w o")
"""Words that may be written: none is a name of a person."""
