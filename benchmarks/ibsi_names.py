"""What the IBSI calls a feature and what we do: the tables behind benchmarks/ibsi.py."""

OFFERED = """
morph_volume          RNU0  shape_MeshVolume
morph_vol_approx      YEKZ  shape_VoxelVolume
morph_area_mesh       C0JK  shape_SurfaceArea
morph_av              2PR5  shape_SurfaceVolumeRatio
morph_comp_1          SKGS  shape_Compactness1
morph_comp_2          BQWJ  shape_Compactness2
morph_sph_dispr       KRCK  shape_SphericalDisproportion
morph_sphericity      QCFX  shape_Sphericity
morph_diam            L0JK  shape_Maximum3DDiameter
morph_pca_maj_axis    TDIC  shape_MajorAxisLength
morph_pca_min_axis    P9VJ  shape_MinorAxisLength
morph_pca_least_axis  7J51  shape_LeastAxisLength
morph_pca_elongation  Q3CK  shape_Elongation
morph_pca_flatness    N17B  shape_Flatness
stat_mean             Q4LE  firstorder_Mean
stat_var              ECT3  firstorder_Variance
stat_skew             KE2A  firstorder_Skewness
stat_kurt             IPH6  firstorder_Kurtosis
stat_median           Y12H  firstorder_Median
stat_min              1GSF  firstorder_Minimum
stat_p10              QG58  firstorder_10Percentile
stat_p90              8DWT  firstorder_90Percentile
stat_max              84IY  firstorder_Maximum
stat_iqr              SALO  firstorder_InterquartileRange
stat_range            2OJQ  firstorder_Range
stat_mad              4FUA  firstorder_MeanAbsoluteDeviation
stat_rmad             1128  firstorder_RobustMeanAbsoluteDeviation
stat_energy           N8CA  firstorder_Energy
stat_rms              5ZWQ  firstorder_RootMeanSquared
ih_entropy            TLU2  firstorder_Entropy
ih_uniformity         BJ5W  firstorder_Uniformity
cm_joint_max          GYBY  glcm_MaximumProbability
cm_joint_avg          60VM  glcm_JointAverage
cm_joint_var          UR99  glcm_SumSquares
cm_joint_entr         TU9B  glcm_JointEntropy
cm_diff_avg           TF7R  glcm_DifferenceAverage
cm_diff_var           D3YU  glcm_DifferenceVariance
cm_diff_entr          NTRS  glcm_DifferenceEntropy
cm_sum_avg            ZGXS  glcm_SumAverage
cm_sum_entr           P6QZ  glcm_SumEntropy
cm_energy             8ZQL  glcm_JointEnergy
cm_contrast           ACUI  glcm_Contrast
cm_inv_diff           IB1Z  glcm_Id
cm_inv_diff_norm      NDRX  glcm_Idn
cm_inv_diff_mom       WF0Z  glcm_Idm
cm_inv_diff_mom_norm  1QCO  glcm_Idmn
cm_inv_var            E8JP  glcm_InverseVariance
cm_corr               NI2N  glcm_Correlation
cm_auto_corr          QWB0  glcm_Autocorrelation
cm_clust_tend         DG8W  glcm_ClusterTendency
cm_clust_shade        7NFM  glcm_ClusterShade
cm_clust_prom         AE86  glcm_ClusterProminence
cm_info_corr1         R8DG  glcm_Imc1
cm_info_corr2         JN9H  glcm_Imc2
rlm_sre               22OV  glrlm_ShortRunEmphasis
rlm_lre               W4KF  glrlm_LongRunEmphasis
rlm_lgre              V3SW  glrlm_LowGrayLevelRunEmphasis
rlm_hgre              G3QZ  glrlm_HighGrayLevelRunEmphasis
rlm_srlge             HTZT  glrlm_ShortRunLowGrayLevelEmphasis
rlm_srhge             GD3A  glrlm_ShortRunHighGrayLevelEmphasis
rlm_lrlge             IVPO  glrlm_LongRunLowGrayLevelEmphasis
rlm_lrhge             3KUM  glrlm_LongRunHighGrayLevelEmphasis
rlm_glnu              R5YN  glrlm_GrayLevelNonUniformity
rlm_glnu_norm         OVBL  glrlm_GrayLevelNonUniformityNormalized
rlm_rlnu              W92Y  glrlm_RunLengthNonUniformity
rlm_rlnu_norm         IC23  glrlm_RunLengthNonUniformityNormalized
rlm_r_perc            9ZK5  glrlm_RunPercentage
rlm_gl_var            8CE5  glrlm_GrayLevelVariance
rlm_rl_var            SXLW  glrlm_RunVariance
rlm_rl_entr           HJ9O  glrlm_RunEntropy
szm_sze               5QRC  glszm_SmallAreaEmphasis
szm_lze               48P8  glszm_LargeAreaEmphasis
szm_lgze              XMSY  glszm_LowGrayLevelZoneEmphasis
szm_hgze              5GN9  glszm_HighGrayLevelZoneEmphasis
szm_szlge             5RAI  glszm_SmallAreaLowGrayLevelEmphasis
szm_szhge             HW1V  glszm_SmallAreaHighGrayLevelEmphasis
szm_lzlge             YH51  glszm_LargeAreaLowGrayLevelEmphasis
szm_lzhge             J17V  glszm_LargeAreaHighGrayLevelEmphasis
szm_glnu              JNSA  glszm_GrayLevelNonUniformity
szm_glnu_norm         Y1RO  glszm_GrayLevelNonUniformityNormalized
szm_zsnu              4JP3  glszm_SizeZoneNonUniformity
szm_zsnu_norm         VB3A  glszm_SizeZoneNonUniformityNormalized
szm_z_perc            P30P  glszm_ZonePercentage
szm_gl_var            BYLV  glszm_GrayLevelVariance
szm_zs_var            3NSA  glszm_ZoneVariance
szm_zs_entr           GU8N  glszm_ZoneEntropy
ngt_coarseness        QCDE  ngtdm_Coarseness
ngt_contrast          65HE  ngtdm_Contrast
ngt_busyness          NQ30  ngtdm_Busyness
ngt_complexity        HDEZ  ngtdm_Complexity
ngt_strength          1X9X  ngtdm_Strength
ngl_lde               SODN  gldm_SmallDependenceEmphasis
ngl_hde               IMOQ  gldm_LargeDependenceEmphasis
ngl_lgce              TL9H  gldm_LowGrayLevelEmphasis
ngl_hgce              OAE7  gldm_HighGrayLevelEmphasis
ngl_ldlge             EQ3F  gldm_SmallDependenceLowGrayLevelEmphasis
ngl_ldhge             JA6D  gldm_SmallDependenceHighGrayLevelEmphasis
ngl_hdlge             NBZI  gldm_LargeDependenceLowGrayLevelEmphasis
ngl_hdhge             9QMG  gldm_LargeDependenceHighGrayLevelEmphasis
ngl_glnu              FP8K  gldm_GrayLevelNonUniformity
ngl_dcnu              Z87G  gldm_DependenceNonUniformity
ngl_dcnu_norm         OKJI  gldm_DependenceNonUniformityNormalized
ngl_gl_var            1PFV  gldm_GrayLevelVariance
ngl_dc_var            DNX2  gldm_DependenceVariance
ngl_dc_entr           FCBV  gldm_DependenceEntropy
"""
"""The IBSI's tag, without the aggregation, and identifier of each feature that we offer; and our name."""

NOT_OFFERED = {
    "1 / `Sphericity` - 1": "morph_asphericity 25C7",
    "PyRadiomics' shape features know no intensity": (
        "morph_com KLMA, morph_integ_int 99N0, morph_moran_i N365, morph_geary_c NPT7"
    ),
    "PyRadiomics has no density within a box, an ellipsoid or a hull": (
        "morph_vol_dens_aabb PBX1, morph_area_dens_aabb R59B, morph_vol_dens_aee 6BDE, morph_area_dens_aee RDD2, "
        "morph_vol_dens_conv_hull R3ER, morph_area_dens_conv_hull 7T7F"
    ),
    "PyRadiomics has no such family": (
        "loc_peak_loc VJGA, loc_peak_glob 0F91, "
        "ivh_v10 BC2M, ivh_v90 BC2M, ivh_i10 GBPN, ivh_i90 GBPN, ivh_diff_v10_v90 DDTU, ivh_diff_i10_i90 CNV2, "
        "dzm_sde 0GBI, dzm_lde MB4I, dzm_lgze S1RA, dzm_hgze K26C, dzm_sdlge RUVG, dzm_sdhge DKNJ, dzm_ldlge A7WM, "
        "dzm_ldhge KLTH, dzm_glnu VFT7, dzm_glnu_norm 7HP3, dzm_zdnu V294, dzm_zdnu_norm IATH, dzm_z_perc VIWW, "
        "dzm_gl_var QK93, dzm_zd_var 7WT1, dzm_zd_entr GBDU"
    ),
    "PyRadiomics has no such feature": "stat_medad N72L, stat_qcod 9S40, ngl_dc_energy CAS9",
    "√`Variance` / `Mean`": "stat_cov 7TET",
    "PyRadiomics has only entropy and uniformity of the histogram": (
        "ih_mean X6K6, ih_var CH89, ih_skew 88K1, ih_kurt C3I7, ih_median WIFQ, ih_min 1PR8, ih_p10 GPMT, ih_p90 OZ0C, "
        "ih_max 3NCY, ih_mode AMMC, ih_iqr WR0O, ih_range 5Z3W, ih_mad D2ZX, ih_rmad WRZB, ih_medad 4RNL, ih_cov CWYJ, "
        "ih_qcod SLWD, ih_max_grad 12CE, ih_max_grad_g 8E6O, ih_min_grad VQB3, ih_min_grad_g RHQZ"
    ),
    "withdrawn by PyRadiomics: equals `ClusterTendency`": "cm_sum_var OEEB",
    "withdrawn by PyRadiomics: equals `DifferenceAverage`": "cm_dissimilarity 8S9J",
    "withdrawn by PyRadiomics: equals `firstorder_Uniformity`": "ngl_glnu_norm 5SPA",
    "withdrawn by PyRadiomics: always 1": "ngl_dc_perc 6XV8",
}
"""Why we do not offer a feature, and the IBSI's tag and identifier of each."""


def offered() -> dict[str, tuple[str, str]]:
    """Return the identifier and our name of each feature that we offer, by tag."""
    return {tag: (identifier, name) for tag, identifier, name in (line.split() for line in OFFERED.strip().splitlines())}


def not_offered() -> dict[str, tuple[str, str]]:
    """Return the identifier of each feature that we do not offer and the reason, by tag."""
    pairs = ((entry.split(), why) for why, entries in NOT_OFFERED.items() for entry in entries.split(", "))
    return {tag: (identifier, why) for (tag, identifier), why in pairs}


def names_by_class() -> dict[str, tuple[str, ...]]:
    """Return the features that we offer, by class."""
    found: dict[str, tuple[str, ...]] = {}
    for _, name in offered().values():
        kind, feature = name.split("_", maxsplit=1)
        found[kind] = (*found.get(kind, ()), feature)
    return found
