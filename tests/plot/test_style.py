"""Files of figures."""

from matplotlib.layout_engine import ConstrainedLayoutEngine

from raofit.plot.style import new_figure, write_png


def test_a_figure_is_laid_out_once_for_all_its_files(tmp_path, monkeypatch):
    laid_out = []
    execute = ConstrainedLayoutEngine.execute

    def counted(engine, figure):
        laid_out.append(figure)
        return execute(engine, figure)

    monkeypatch.setattr(ConstrainedLayoutEngine, "execute", counted)
    figure = new_figure(3, 2)
    axes = figure.subplots()
    before = axes.get_position().bounds
    axes.set_ylabel("a label\nof three\nlines")
    write_png(tmp_path / "a.png", figure)
    assert axes.get_position().bounds != before
    write_png(tmp_path / "b.png", figure)
    assert laid_out == [figure]
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
