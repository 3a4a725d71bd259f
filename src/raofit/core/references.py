"""The literature behind the code: keys as they stand in docstrings ([epstein2022]), and BibTeX for them.

As many lines as there are publications call for: one list, so that no key is given twice.
"""

import dataclasses
import inspect
import re

from raofit.core.errors import RaofitError

_KEY = re.compile(r"\[([a-z]+\d{4}[a-z]?)\]")


@dataclasses.dataclass(frozen=True)
class Reference:
    """One publication. `doi` may be empty where none was given out (then `note` says where to find it)."""

    kind: str
    authors: str
    title: str
    venue: str
    year: int
    doi: str = ""
    note: str = ""

    def bibtex(self, key: str) -> str:
        """BibTeX entry under `key`."""
        venue = {"article": "journal", "book": "publisher"}[self.kind]
        fields = {"author": self.authors, "title": f"{{{self.title}}}", venue: self.venue, "year": str(self.year)}
        fields |= {name: value for name, value in (("doi", self.doi), ("note", self.note)) if value}
        lines = ",\n".join(f"  {name} = {{{value}}}" for name, value in fields.items())
        return f"@{self.kind}{{{key},\n{lines}\n}}"


def cite(subject: object) -> str:
    """BibTeX of one reference key, or of everything an object cites.

    Parameters
    ----------
    subject : a key of `REFERENCES`, or a model, noise model, function or class whose docstring or `references` cite.

    Raises
    ------
    RaofitError
        If a key is unknown.

    Examples
    --------
    >>> print(cite("lebihan1986").splitlines()[0])
    @article{lebihan1986,
    """
    keys = [subject] if isinstance(subject, str) else cited_keys(subject)
    unknown = [key for key in keys if key not in REFERENCES]
    if unknown:
        raise RaofitError(f"reference `{unknown[0]}`: expected one of {', '.join(sorted(REFERENCES))}")
    return "\n\n".join(REFERENCES[key].bibtex(key) for key in keys)


def cited_keys(subject: object) -> list[str]:
    """Keys an object states in `references`, then those in its docstring, each once."""
    stated = list(getattr(subject, "references", ()))
    return list(dict.fromkeys(stated + _KEY.findall(inspect.getdoc(subject) or "")))


REFERENCES: dict[str, Reference] = {
    "asslander2019": Reference(
        "article",
        "Assländer, Jakob and Novikov, Dmitry S. and Lattanzi, Riccardo and Sodickson, Daniel K. and Cloos, Martijn A.",
        "Hybrid-state free precession in nuclear magnetic resonance",
        "Communications Physics 2:73",
        2019,
        doi="10.1038/s42005-019-0174-0",
    ),
    "asslander2019b": Reference(
        "article",
        "Assländer, Jakob and Lattanzi, Riccardo and Sodickson, Daniel K. and Cloos, Martijn A.",
        "Optimized quantification of spin relaxation times in the hybrid state",
        "Magnetic Resonance in Medicine 82(4):1385-1397",
        2019,
        doi="10.1002/mrm.27819",
    ),
    "asslander2022": Reference(
        "article",
        "Assländer, Jakob and Gultekin, Cem and Flassbeck, Sebastian and Glaser, Steffen J. and Sodickson, Daniel K.",
        "Generalized Bloch model: A theory for pulsed magnetization transfer",
        "Magnetic Resonance in Medicine 87(4):2003-2017",
        2022,
        doi="10.1002/mrm.29071",
    ),
    "barbieri2020": Reference(
        "article",
        "Barbieri, Sebastiano and Gurney-Champion, Oliver J. and Klaassen, Remy and Thoeny, Harriet C.",
        "Deep learning how to fit an intravoxel incoherent motion model to diffusion-weighted MRI",
        "Magnetic Resonance in Medicine 83(1):312-321",
        2020,
        doi="10.1002/mrm.27910",
    ),
    "barral2010": Reference(
        "article",
        "Barral, Joëlle K. and Gudmundson, Erik and Stikov, Nikola and Etezadi-Amoli, Maryam and Stoica, Petre and "
        "Nishimura, Dwight G.",
        "A robust methodology for in vivo T1 mapping",
        "Magnetic Resonance in Medicine 64(4):1057-1067",
        2010,
        doi="10.1002/mrm.22497",
    ),
    "bids2016": Reference(
        "article",
        "Gorgolewski, Krzysztof J. and others",
        "The brain imaging data structure, a format for organizing and describing outputs of neuroimaging experiments",
        "Scientific Data 3:160044",
        2016,
        doi="10.1038/sdata.2016.44",
    ),
    "cox2010": Reference(
        "article",
        "Cox, Eleanor F. and Gowland, Penny A.",
        "Simultaneous quantification of T2 and T'2 using a combined gradient echo-spin echo sequence at ultrahigh "
        "field",
        "Magnetic Resonance in Medicine 64(5):1440-1445",
        2010,
        doi="10.1002/mrm.22522",
    ),
    "epstein2022": Reference(
        "article",
        "Epstein, Sean C. and Bray, Timothy J. P. and Hall-Craggs, Margaret and Zhang, Hui",
        "Choice of training label matters: how to best use deep learning for quantitative MRI parameter estimation",
        "Machine Learning for Biomedical Imaging 2:002",
        2024,
        doi="10.59275/j.melba.2024-geb5",
        note="arXiv:2205.05587 (2022)",
    ),
    "fram1987": Reference(
        "article",
        "Fram, Evan K. and Herfkens, Robert J. and Johnson, G. Allan and Glover, Gary H. and Karis, John P. and "
        "Shimakawa, Ann and Perkins, Tom G. and Pelc, Norbert J.",
        "Rapid calculation of T1 using variable flip angle gradient refocused imaging",
        "Magnetic Resonance Imaging 5(3):201-208",
        1987,
        doi="10.1016/0730-725X(87)90021-X",
    ),
    "golub2003": Reference(
        "article",
        "Golub, Gene and Pereyra, Victor",
        "Separable nonlinear least squares: the variable projection method and its applications",
        "Inverse Problems 19(2):R1-R26",
        2003,
        doi="10.1088/0266-5611/19/2/201",
    ),
    "graham1997": Reference(
        "article",
        "Graham, Simon J. and Henkelman, R. Mark",
        "Understanding pulsed magnetization transfer",
        "Journal of Magnetic Resonance Imaging 7(5):903-912",
        1997,
        doi="10.1002/jmri.1880070520",
    ),
    "gudbjartsson1995": Reference(
        "article",
        "Gudbjartsson, Hákon and Patz, Samuel",
        "The Rician distribution of noisy MRI data",
        "Magnetic Resonance in Medicine 34(6):910-914",
        1995,
        doi="10.1002/mrm.1910340618",
    ),
    "hanicke2003": Reference(
        "article",
        "Hänicke, Wolfgang and Vogel, Hans U.",
        "An analytical solution for the SSFP signal in MRI",
        "Magnetic Resonance in Medicine 49(4):771-775",
        2003,
        "10.1002/mrm.10410",
    ),
    "helms2008": Reference(
        "article",
        "Helms, Gunther and Dathe, Henning and Kallenberg, Kai and Dechent, Peter",
        "High-resolution maps of magnetization transfer with inherent correction for RF inhomogeneity and T1 "
        "relaxation obtained from 3D FLASH MRI",
        "Magnetic Resonance in Medicine 60(6):1396-1407",
        2008,
        doi="10.1002/mrm.21732",
    ),
    "hennig1988": Reference(
        "article",
        "Hennig, Jürgen",
        "Multiecho imaging sequences with low refocusing flip angles",
        "Journal of Magnetic Resonance 78(3):397-407",
        1988,
        doi="10.1016/0022-2364(88)90128-X",
    ),
    "jiang2015": Reference(
        "article",
        "Jiang, Yun and Ma, Dan and Seiberlich, Nicole and Gulani, Vikas and Griswold, Mark A.",
        "MR fingerprinting using fast imaging with steady state precession (FISP) with spiral readout",
        "Magnetic Resonance in Medicine 74(6):1621-1631",
        2015,
        "10.1002/mrm.25559",
    ),
    "kaandorp2021": Reference(
        "article",
        "Kaandorp, Misha P. T. and Barbieri, Sebastiano and Klaassen, Remy and van Laarhoven, Hanneke W. M. and "
        "Crezee, Hans and While, Peter T. and Nederveen, Aart J. and Gurney-Champion, Oliver J.",
        "Improved unsupervised physics-informed deep learning for intravoxel incoherent motion modeling and "
        "evaluation in pancreatic cancer patients",
        "Magnetic Resonance in Medicine 86(4):2250-2265",
        2021,
        doi="10.1002/mrm.28852",
    ),
    "karakuzu2022": Reference(
        "article",
        "Karakuzu, Agah and others",
        "qMRI-BIDS: An extension to the brain imaging data structure for quantitative magnetic resonance imaging data",
        "Scientific Data 9:517",
        2022,
        doi="10.1038/s41597-022-01571-4",
    ),
    "kaufman1975": Reference(
        "article",
        "Kaufman, Linda",
        "A variable projection method for solving separable nonlinear least squares problems",
        "BIT Numerical Mathematics 15:49-57",
        1975,
        doi="10.1007/BF01932995",
    ),
    "kay1993": Reference(
        "book",
        "Kay, Steven M.",
        "Fundamentals of Statistical Signal Processing, Volume I: Estimation Theory",
        "Prentice Hall",
        1993,
        note="ISBN 0-13-345711-7",
    ),
    "kingma2015": Reference(
        "article",
        "Kingma, Diederik P. and Ba, Jimmy",
        "Adam: A Method for Stochastic Optimization",
        "International Conference on Learning Representations",
        2015,
        doi="10.48550/arXiv.1412.6980",
    ),
    "koay2006": Reference(
        "article",
        "Koay, Cheng Guan and Basser, Peter J.",
        "Analytically exact correction scheme for signal extraction from noisy magnitude MR signals",
        "Journal of Magnetic Resonance 179(2):317-322",
        2006,
        doi="10.1016/j.jmr.2006.01.016",
    ),
    "koay2009": Reference(
        "article",
        "Koay, Cheng Guan and Özarslan, Evren and Pierpaoli, Carlo",
        "Probabilistic Identification and Estimation of Noise (PIESNO): a self-consistent approach and its "
        "applications in MRI",
        "Journal of Magnetic Resonance 199(1):94-103",
        2009,
        doi="10.1016/j.jmr.2009.03.005",
    ),
    "lebel2010": Reference(
        "article",
        "Lebel, R. Marc and Wilman, Alan H.",
        "Transverse relaxometry with stimulated echo compensation",
        "Magnetic Resonance in Medicine 64(4):1005-1014",
        2010,
        doi="10.1002/mrm.22487",
    ),
    "lebihan1986": Reference(
        "article",
        "Le Bihan, Denis and Breton, Eric and Lallemand, Denis and Grenier, Philippe and Cabanis, Emmanuel and "
        "Laval-Jeantet, Maurice",
        "MR imaging of intravoxel incoherent motions: application to diffusion and perfusion in neurologic disorders",
        "Radiology 161(2):401-407",
        1986,
        doi="10.1148/radiology.161.2.3763909",
    ),
    "lecam1956": Reference(
        "article",
        "Le Cam, Lucien",
        "On the asymptotic theory of estimation and testing hypotheses",
        "Proceedings of the Third Berkeley Symposium on Mathematical Statistics and Probability 1:129-156",
        1956,
        note="University of California Press; no DOI",
    ),
    "liu2020": Reference(
        "article",
        "Liu, Liyuan and Jiang, Haoming and He, Pengcheng and Chen, Weizhu and Liu, Xiaodong and Gao, Jianfeng and "
        "Han, Jiawei",
        "On the variance of the adaptive learning rate and beyond",
        "International Conference on Learning Representations",
        2020,
        doi="10.48550/arXiv.1908.03265",
    ),
    "ma2013": Reference(
        "article",
        "Ma, Dan and Gulani, Vikas and Seiberlich, Nicole and Liu, Kecheng and Sunshine, Jeffrey L. and "
        "Duerk, Jeffrey L. and Griswold, Mark A.",
        "Magnetic resonance fingerprinting",
        "Nature 495(7440):187-192",
        2013,
        doi="10.1038/nature11971",
    ),
    "mao2023": Reference(
        "article",
        "Mao, Andrew and Flassbeck, Sebastian and Gultekin, Cem and Assländer, Jakob",
        "Cramér-Rao bound optimized subspace reconstruction in quantitative MRI",
        "arXiv",
        2023,
        doi="10.48550/arXiv.2305.00326",
    ),
    "mao2024": Reference(
        "article",
        "Mao, Andrew and Flassbeck, Sebastian and Assländer, Jakob",
        "Bias-Reduced Neural Networks for Parameter Estimation in Quantitative MRI",
        "Magnetic Resonance in Medicine",
        2024,
        doi="10.48550/arXiv.2312.11468",
    ),
    "mcgivney2014": Reference(
        "article",
        "McGivney, Debra F. and Pierre, Eric and Ma, Dan and Jiang, Yun and Saybasili, Haris and Gulani, Vikas and "
        "Griswold, Mark A.",
        "SVD compression for magnetic resonance fingerprinting in the time domain",
        "IEEE Transactions on Medical Imaging 33(12):2311-2322",
        2014,
        doi="10.1109/TMI.2014.2337321",
    ),
    "mclachlan1995": Reference(
        "article",
        "McLachlan, Robert I.",
        "Composition methods in the presence of small parameters",
        "BIT Numerical Mathematics 35(2):258-268",
        1995,
        note="Springer",
    ),
    "orospeusquens2019": Reference(
        "article",
        "Oros-Peusquens, Ana-Maria and Loução, Ricardo and Abbas, Zaheer and Gras, Vincent and Zimmermann, Markus and "
        "Shah, N. Jon",
        "A Single-Scan, Rapid Whole-Brain Protocol for Quantitative Water Content Mapping With Neurobiological "
        "Implications",
        "Frontiers in Neurology 10:1333",
        2019,
        doi="10.3389/fneur.2019.01333",
    ),
    "parker2023": Reference(
        "article",
        "Parker, Christopher S. and Schroder, Anna and Epstein, Sean C. and Cole, James and Alexander, Daniel C. and "
        "Zhang, Hui",
        "Rician likelihood loss for quantitative MRI using self-supervised deep learning",
        "NMR in Biomedicine 38(10):e70136",
        2025,
        doi="10.1002/nbm.70136",
        note="arXiv:2307.07072 (2023)",
    ),
    "sled2000": Reference(
        "article",
        "Sled, John G. and Pike, G. Bruce",
        "Quantitative Interpretation of Magnetization Transfer in Spoiled Gradient Echo MRI Sequences",
        "Journal of Magnetic Resonance 145(1):24-36",
        2000,
        doi="10.1006/jmre.2000.2059",
    ),
    "stanisz2005": Reference(
        "article",
        "Stanisz, Greg J. and Odrobina, Ewa E. and Pun, Joseph and Escaravage, Michael and Graham, Simon J. and "
        "Bronskill, Michael J. and Henkelman, R. Mark",
        "T1, T2 relaxation and magnetization transfer in tissue at 3T",
        "Magnetic Resonance in Medicine 54(3):507-512",
        2005,
        doi="10.1002/mrm.20605",
    ),
    "vandervaart1998": Reference(
        "book",
        "van der Vaart, Aad W.",
        "Asymptotic Statistics",
        "Cambridge University Press",
        1998,
        doi="10.1017/CBO9780511802256",
    ),
    "venzon1988": Reference(
        "article",
        "Venzon, D. J. and Moolgavkar, S. H.",
        "A method for computing profile-likelihood-based confidence intervals",
        "Journal of the Royal Statistical Society, Series C (Applied Statistics) 37(1):87-94",
        1988,
        doi="10.2307/2347496",
    ),
    "weigel2015": Reference(
        "article",
        "Weigel, Matthias",
        "Extended phase graphs: dephasing, RF pulses, and echoes - pure and simple",
        "Journal of Magnetic Resonance Imaging 41(2):266-295",
        2015,
        doi="10.1002/jmri.24619",
    ),
    "wright2008": Reference(
        "article",
        "Wright, P. J. and Mougin, O. E. and Totman, J. J. and Peters, A. M. and Brookes, M. J. and Coxon, R. and "
        "Morris, P. E. and Clemence, M. and Francis, S. T. and Bowtell, R. W. and Gowland, P. A.",
        "Water proton T1 measurements in brain tissue at 7, 3, and 1.5T using IR-EPI, IR-TSE, and MPRAGE: results and "
        "optimization",
        "Magnetic Resonance Materials in Physics, Biology and Medicine 21(1-2):121-130",
        2008,
        doi="10.1007/s10334-008-0104-8",
    ),
    "zhang2022": Reference(
        "article",
        "Zhang, Xiaoxia and Duchemin, Quentin and Liu, Kangning and Gultekin, Cem and Flassbeck, Sebastian and "
        "Fernandez-Granda, Carlos and Assländer, Jakob",
        "Cramér-Rao bound-informed training of neural networks for quantitative MRI",
        "Magnetic Resonance in Medicine 88(1):436-448",
        2022,
        doi="10.1002/mrm.29206",
    ),
}
