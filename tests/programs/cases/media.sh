# Pictures, sound, documents: ffmpeg, ImageMagick, Graphviz, Ghostscript, Poppler, gnuplot, Pandoc, Pillow, Matplotlib.
# image: extras
# package: ffmpeg imagemagick graphviz ghostscript poppler-utils gnuplot-nox pandoc python3-pil python3-matplotlib
# options: --memory 2G
cd /tmp || exit
export HOME=/tmp XDG_CACHE_HOME=/tmp
echo '== ffmpeg'
ffmpeg -v error -f lavfi -i testsrc=duration=2:size=160x120:rate=10 -f lavfi -i sine=d=2 -c:v mpeg4 -bitexact -y a.mp4
ffprobe -v error -show_entries stream=codec_name,duration -of csv a.mp4
ffmpeg -v error -i a.mp4 -f framemd5 - | grep -c '^0'
ffmpeg -v error -f lavfi -i testsrc=duration=1:size=320x240:rate=25 -c:v libx264 -threads 1 -bitexact -y a.mkv; ffmpeg -v error -i a.mkv -f rawvideo - | wc -c
echo '== ImageMagick'
convert -size 100x100 gradient:red-blue -rotate 30 -blur 2x2 -depth 8 rgb:- | wc -c
identify -format '%w %h %m\n' rose:
convert rose: -resize 50% -negate a.png && convert a.png -format '%wx%h %[fx:int(mean*1000)]\n' info:
echo '== Graphviz, gnuplot, Pandoc'
echo 'digraph{a->b->c;a->c}' | dot -Tplain
gnuplot-nox -e 'set term dumb; plot sin(x)'
printf '# Hi *there*\n\n- a\n- b\n\n| x | y |\n|---|---|\n| 1 | 2 |\n' | pandoc -t html
echo '== Ghostscript, Poppler'
printf '%%!PS\n/Helvetica findfont 20 scalefont setfont 50 50 moveto (Hello) show showpage\n' >a.ps
gs -q -dBATCH -dNOPAUSE -sDEVICE=pdfwrite -sOutputFile=a.pdf a.ps && pdftotext a.pdf - | head -n 1
gs -q -dBATCH -dNOPAUSE -sDEVICE=ppmraw -r50 -sOutputFile=- a.ps | md5sum
pdftoppm -r 30 -png a.pdf p && identify -format '%w %h\n' p-1.png
echo '== Python'
python3 -c '
from PIL import Image, ImageFilter
import hashlib, io
i = Image.new("RGB", (50, 50), "red").filter(ImageFilter.BLUR).resize((20, 20)); b = io.BytesIO(); i.save(b, "PNG")
print(hashlib.md5(b.getvalue()).hexdigest())'
MPLCONFIGDIR=/tmp python3 -c '
import matplotlib; matplotlib.use("Agg"); import matplotlib.pyplot as p
p.plot([1, 2, 3]); p.savefig("a.svg", metadata={"Date": None}); print(len(open("a.svg").read()) > 1000)' 2>/dev/null
